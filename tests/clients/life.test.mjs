// A life of users and groups as a Node client leads it. npm has no kept SCIM client (`scim-node` stands on a request library
// that was given up in 2020), so this one is fetch with the messages, schemas and PATCH of SCIMMY, which knows nothing of us:
// it builds what is sent, reads what comes back, and carries out every PATCH itself to compare.
// SCIM_URL and SCIM_TOKEN say which tenant: one of the preset `generic`, with groups switched on.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import SCIMMY from 'scimmy';

const { User, Group } = SCIMMY.Schemas;
const { ListResponse, PatchOp, SearchRequest } = SCIMMY.Messages;
const TYPES = { Users: User, Groups: Group };

class Refused extends Error {
  constructor(status, body) {
    super(body?.detail);
    Object.assign(this, { status, scimType: body?.scimType });
    assert.deepEqual(body?.schemas, ['urn:ietf:params:scim:api:messages:2.0:Error']);
    assert.equal(body.status, String(status));
  }
}

async function call(method, path, body, headers = {}) {
  const response = await fetch(process.env.SCIM_URL + path, { method, body: body && JSON.stringify(body),
    headers: { authorization: `Bearer ${process.env.SCIM_TOKEN}`, accept: 'application/scim+json', ...(body && { 'content-type': 'application/scim+json' }), ...headers } });
  const text = await response.text();
  const answer = text ? JSON.parse(text) : null;
  if (!response.ok) throw new Refused(response.status, answer);
  if (text) assert.match(response.headers.get('content-type'), /^application\/scim\+json/);
  return { status: response.status, etag: response.headers.get('etag'), location: response.headers.get('location'), body: answer };
}

/** SCIMMY refuses what its schema does not allow, on the way in and on the way out. */
const outgoing = (type, data) => new TYPES[type](data, 'in');
const incoming = (type, data) => new TYPES[type](data, 'out');

async function create(type, data) {
  const answer = await call('POST', `/${type}`, outgoing(type, data));
  assert.equal(answer.status, 201);
  assert.equal(answer.location, answer.body.meta.location);
  return { ...answer, resource: incoming(type, answer.body) };
}

async function list(type, query) {
  const { body } = await call('GET', `/${type}?${new URLSearchParams(query)}`);
  const page = new ListResponse(body);
  return { ...page, Resources: body.Resources.map((one) => (query.attributes ? one : incoming(type, one))) };
}

const values = ({ schemas, id, meta, groups, ...rest }) => JSON.parse(JSON.stringify(rest));

/** Sends a PATCH, and has SCIMMY carry it out on what was there before. */
async function patch(type, id, ...Operations) {
  const message = new PatchOp({ schemas: [PatchOp.id], Operations });
  const before = (await call('GET', `/${type}/${id}`)).body;
  const expected = await message.apply(incoming(type, before), async (resource) => resource) ?? before;
  const answer = await call('PATCH', `/${type}/${id}`, { schemas: [PatchOp.id], Operations });
  assert.ok([200, 204].includes(answer.status));
  const after = (await call('GET', `/${type}/${id}`)).body;
  if (answer.body) assert.deepEqual(answer.body, after);
  assert.deepEqual(values(incoming(type, after)), values(expected), JSON.stringify(Operations));
  return after;
}

const refused = (status, scimType) => (error) => {
  assert.deepEqual([error.status, error.scimType], [status, scimType], error.message);
  return true;
};

test('the schemas that are served are the ones that SCIMMY knows', async () => {
  for (const [type, own] of Object.entries(TYPES)) {
    const { body } = await call('GET', `/Schemas/${encodeURIComponent(own.definition.id)}`);
    assert.equal(body.id, own.definition.id);
    const names = new Set(body.attributes.map(({ name }) => name));
    for (const { name } of own.definition.describe().attributes) assert.ok(names.has(name), `${type}: ${name}`);
  }
});

test('a user is created, matched, changed and deleted', async () => {
  assert.equal((await list('Users', { filter: 'userName eq "ida@example.com"' })).totalResults, 0);
  const { body: { id }, etag } = await create('Users', { userName: 'ida@example.com', externalId: 'n-1', displayName: 'Ida', active: true,
    name: { givenName: 'Ida', familyName: 'Rhodes' }, emails: [{ value: 'ida@example.com', type: 'work', primary: true }] });
  for (const filter of ['userName eq "IDA@example.com"', 'externalId eq "n-1"', 'emails.value co "ida@" and active eq true']) {
    assert.deepEqual((await list('Users', { filter })).Resources.map((one) => one.id), [id], filter);
  }
  await patch('Users', id, { op: 'replace', path: 'displayName', value: 'Ida R.' }, { op: 'add', path: 'title', value: 'Dr' });
  await patch('Users', id, { op: 'add', path: 'emails', value: [{ value: 'ida@home.example', type: 'home' }] });
  await patch('Users', id, { op: 'replace', path: 'emails[type eq "home"].value', value: 'rhodes@home.example' });
  await patch('Users', id, { op: 'remove', path: 'emails[type eq "home"]' }, { op: 'remove', path: 'title' });
  await patch('Users', id, { op: 'replace', value: { active: false, name: { givenName: 'Ida', familyName: 'Hadassah' } } });

  await assert.rejects(call('PUT', `/Users/${id}`, outgoing('Users', { userName: 'ida@example.com' }), { 'if-match': etag }), refused(412));
  const put = await call('PUT', `/Users/${id}`, outgoing('Users', { userName: 'ida@example.com', displayName: 'Ida again', active: true }));
  assert.deepEqual(values(incoming('Users', put.body)), { userName: 'ida@example.com', displayName: 'Ida again', active: true });
  assert.equal((await call('DELETE', `/Users/${id}`, undefined, { 'if-match': put.etag })).status, 204);
  await assert.rejects(call('GET', `/Users/${id}`), refused(404));
});

test('what is wrong is refused', async () => {
  await create('Users', { userName: 'jo@example.com' });
  await assert.rejects(create('Users', { userName: 'JO@example.com' }), refused(409, 'uniqueness'));
  await assert.rejects(list('Users', { filter: 'userName is great' }), refused(400, 'invalidFilter'));
  await assert.rejects(call('POST', '/Users', { userName: 'x' }), refused(400, 'invalidSyntax'));
});

test('a group has members, and deleting a user takes it out', async () => {
  const ids = [];
  for (const name of ['kim', 'lee', 'mia']) ids.push((await create('Users', { userName: `${name}@example.com` })).body.id);
  const [kim, lee, mia] = ids;
  const { body: { id } } = await create('Groups', { displayName: 'Writers', members: [{ value: kim }] });
  const members = async () => ((await call('GET', `/Groups/${id}`)).body.members ?? []).map(({ value }) => value);
  await call('PATCH', `/Groups/${id}`, { schemas: [PatchOp.id], Operations: [{ op: 'add', path: 'members', value: [{ value: lee }, { value: mia }] }] });
  assert.deepEqual(await members(), ids);
  await call('PATCH', `/Groups/${id}`, { schemas: [PatchOp.id], Operations: [{ op: 'remove', path: `members[value eq "${lee}"]` }] });
  assert.deepEqual(await members(), [kim, mia]);
  assert.deepEqual((await call('GET', `/Users/${mia}`)).body.groups.map(({ display }) => display), ['Writers']);
  await call('DELETE', `/Users/${mia}`);
  assert.deepEqual(await members(), [kim]);
  const { body } = await call('PUT', `/Groups/${id}`, outgoing('Groups', { displayName: 'Authors', members: [{ value: lee }] }));
  assert.equal(incoming('Groups', body).displayName, 'Authors');
  assert.deepEqual(await members(), [lee]);
  assert.deepEqual((await list('Groups', { filter: `displayName eq "authors" and members.value eq "${lee}"` })).Resources.map((one) => one.id), [id]);
  await call('DELETE', `/Groups/${id}`);
  assert.equal((await call('GET', `/Users/${lee}`)).body.groups, undefined);
});

test('pages and searches give each user once', async () => {
  const names = Array.from({ length: 17 }, (_, i) => `row${String(i).padStart(2, '0')}@example.com`);
  for (const name of [...names].reverse()) await create('Users', { userName: name });
  const seen = [];
  for (let startIndex = 1; seen.length < names.length; startIndex += 4) {
    const page = await list('Users', { filter: 'userName sw "row"', sortBy: 'userName', startIndex, count: 4, attributes: 'userName' });
    assert.equal(page.totalResults, names.length);
    assert.ok(page.Resources.length > 0);
    seen.push(...page.Resources.map(({ userName }) => userName));
  }
  assert.deepEqual(seen, names);
  const search = new SearchRequest().prepare({ filter: 'userName sw "row1"', sortBy: 'userName', sortOrder: 'descending', count: 3 });
  const found = new ListResponse((await call('POST', '/Users/.search', search)).body);
  assert.deepEqual(found.Resources.map(({ userName }) => userName), ['row16@example.com', 'row15@example.com', 'row14@example.com']);
});
