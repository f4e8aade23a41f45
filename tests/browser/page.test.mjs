// The page in a real browser against a running server, while a scripted Entra plays the other side.
// ROLLCALL_URL and ROLLCALL_ADMIN_SECRET say which server, ROLLCALL_STORE which SQLite file its data is in; CHROMIUM where the
// browser is.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { connect } from 'node:net';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { faint, ratiosOf } from './contrast.mjs';
import { TOKEN, run } from './terminal.mjs';

const URL_ = (process.env.ROLLCALL_URL ?? 'http://127.0.0.1:3000').replace(/\/$/, '');
const SECRET = process.env.ROLLCALL_ADMIN_SECRET ?? '';
const STORE = process.env.ROLLCALL_STORE ?? '';
const SHOTS = new URL('../../target/screenshots/', import.meta.url).pathname;
const MESSAGES = new URL('../../plugin/core/page/assets/messages/', import.meta.url);
const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');
const WCAG = ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa'];
const FLAGS = ['--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking', '--disable-component-update', '--disable-sync'];
const STAMP = Date.now().toString(36);
const NAME = `Contoso ${STAMP}`;
const MARKUP = `<img src=x onerror=alert(1)>${STAMP}@contoso.com`;

let browser;
let context;
let page;
let tenant;
let entra;
let lookalike;
let ended;
const problems = [];

before(async () => {
  mkdirSync(SHOTS, { recursive: true });
  browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS });
  context = await visitor({ locale: 'en-GB', permissions: ['clipboard-read', 'clipboard-write'] });
  page = await watched(context);
});
after(async () => {
  await browser?.close();
});

test('both languages have every key, with the same places and plurals', async () => {
  const [en, de] = await Promise.all(['en', 'de'].map(async (tag) => shape((await import(new URL(`${tag}.js`, MESSAGES))).default)));
  assert.deepEqual(Object.keys(de).sort(), Object.keys(en).sort());
  for (const key of Object.keys(en)) {
    assert.deepEqual(de[key].places, en[key].places, key);
    assert.equal(de[key].lines, en[key].lines, `${key}: lines`);
  }
});

test('a wrong secret is refused and the right one signs in', async () => {
  await page.goto(URL_);
  await page.getByLabel('Admin secret').fill('wrong');
  await page.getByRole('button', { name: 'Sign in' }).click();
  await page.getByText('This is not the admin secret.').waitFor();
  await signIn(page);
  await page.getByRole('heading', { level: 1 }).waitFor();
  const kept = await page.evaluate(() => JSON.stringify([{ ...localStorage }, { ...sessionStorage }, document.cookie]));
  assert.ok(!kept.includes(SECRET), `the secret is in browser storage: ${kept}`);
});

test('an organization without a name is not added, and the dialog says why', async () => {
  await go('#/organizations');
  const before = (await api('/tenants')).totalResults;
  await page.getByRole('button', { name: 'Add organization' }).first().click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Add and set up' }).click();
  await dialog.getByText('Please enter a name.').waitFor();
  await dialog.getByRole('textbox', { name: 'Name' }).fill('  ');
  await dialog.getByRole('button', { name: 'Add and set up' }).click();
  await dialog.getByText('Please enter a name.').waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  await dialog.waitFor({ state: 'detached' });
  assert.equal((await api('/tenants')).totalResults, before);
});

test('the whole setup, with the test connection arriving live', async () => {
  await go('#/organizations');
  await page.getByRole('button', { name: 'Add organization' }).first().click();
  await page.getByRole('textbox', { name: 'Name' }).fill(NAME);
  await page.getByRole('button', { name: 'Add and set up' }).click();
  await page.getByRole('heading', { name: 'Where do your users come from?' }).waitFor();
  assert.equal(await page.locator('.choices input[type=radio]').count(), (await api('/identity-providers')).identityProviders.length, 'every provider can be chosen');
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByRole('button', { name: 'Start SCIM setup' }).click();
  await page.getByText('Waiting for the first request').waitFor();

  tenant = (await api('/tenants')).tenants.find(({ name }) => name === NAME);
  const { tenantUrl, secretToken, attributeMappings } = await api(`/tenants/${tenant.id}/connection`);
  assert.equal(await copied('Copy Tenant URL'), tenantUrl);
  assert.ok(!(await page.locator('main').innerText()).includes(secretToken), 'the token is hidden until asked for');
  assert.equal(await copied('Copy Secret Token'), secretToken);
  await page.getByRole('button', { name: /Replace the attribute mappings/ }).click();
  assert.equal(await page.locator('.mappings tbody tr').count(), 4);
  assert.equal(await copied('Copy Switch expression'), attributeMappings.find(({ target }) => target === 'active').source);

  // The scripted Entra reaches the server under the address of this run.
  entra = provider(`${URL_}${new URL(tenantUrl).pathname}`, secretToken);
  await entra.test('rollcall_not-the-token-at-all-x7Q');
  await page.locator('.ear.bad').getByText('refused').waitFor();
  assert.match(await page.locator('.ear').innerText(), /ends in …\W*.*x7Q/);
  const answer = await entra.test();
  assert.equal(answer.status, 200);
  await page.locator('.ear.good').getByText(/Test connection received .*, succeeded/).waitFor();
  await page.reload();
  await page.locator('.steps li.done').nth(4).waitFor();
  assert.equal(await page.locator('.steps li.done').count(), 5, 'the ticks are kept');
  await page.getByRole('button', { name: 'Done', exact: true }).last().click();
  await page.getByRole('heading', { name: 'Connection', level: 1 }).waitFor();
});

test('a provider is found by typing, with the keyboard alone, in both languages', async () => {
  const { id } = await api('/tenants', { method: 'POST', body: { name: `Search ${STAMP}` } });
  const { identityProviders } = await api('/identity-providers');
  const many = Array.from({ length: 24 }, (_, i) => ({ id: `made-${i}`, name: `Zürich Identity ${i}` }));
  await page.route('**/admin/api/v1/identity-providers', (route) => route.fulfill({ json: { identityProviders: [...identityProviders, ...many] } }));
  const shown = () => page.locator('.choice:visible').count();
  for (const [language, label, none] of [['de', 'Anbieter suchen', /Keiner dieser Namen/], ['en', 'Search providers', /None of these names/]]) {
    await page.locator('#language').selectOption(language);
    await go('#/organizations');
    await go(`#/o/${id}/setup`);
    const field = page.getByRole('searchbox', { name: label });
    await field.fill('zurich 23');
    assert.equal(await shown(), 1, 'capitals and accents do not count, and each word has to fit');
    await field.fill('identity');
    assert.ok(await shown() >= 24);
    await field.fill('no such name');
    assert.equal(await shown(), 1);
    assert.equal(await page.locator('.choice:visible input').inputValue(), 'generic', 'who finds no name has another provider');
    await page.getByRole('status').getByText(none).waitFor();
    await field.fill('');
    assert.equal(await shown(), identityProviders.length + many.length);
    await field.pressSequentially('okt');
    await page.keyboard.press('ArrowDown');
    assert.equal(await page.evaluate(() => document.activeElement.value), 'okta', 'the arrow leads to what was found');
    await field.focus();
    for (const width of [360, 1280]) {
      await page.setViewportSize({ width, height: 800 });
      await page.screenshot({ path: `${SHOTS}setup-search-${language}-${width}.png` });
    }
    await page.keyboard.press('Enter');
    await page.getByRole('heading', { level: 2, name: language === 'de' ? 'Bitte bestätigen' : 'Please confirm' }).waitFor();
    assert.match(await page.locator('main').innerText(), /Okta/);
  }
  await page.unroute('**/admin/api/v1/identity-providers');
  await api(`/tenants/${id}`, { method: 'DELETE' });
});

test('what is read liberally is counted with advice, and the record names the place', async () => {
  const { id } = await api('/tenants', { method: 'POST', body: { name: `Liberal ${STAMP}` } });
  const { tenantUrl, secretToken } = await api(`/tenants/${id}/connection`, { method: 'POST', body: { identityProvider: 'okta' } });
  const answer = await fetch(`${URL_}${new URL(tenantUrl).pathname}//users`, {
    method: 'POST', headers: { authorization: secretToken, 'content-type': 'text/plain' },
    body: JSON.stringify({ schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], userName: `liberal.${STAMP}`, shoeSize: 43 }),
  });
  assert.equal(answer.status, 201);
  const { requests: [{ number }] } = await api(`/tenants/${id}/requests`);
  for (const [language, sends, unknown, advice, fine] of [
    ['de', 'Ihr Anbieter sendet', 'Attribute, die hier niemand kennt', /Entfernen Sie ihre Zuordnung in Okta/, 'Nichts zu tun'],
    ['en', 'Your provider sends', 'attributes that nobody knows here', /Remove their mapping in Okta/, 'No action needed'],
  ]) {
    await page.locator('#language').selectOption(language);
    await go(`#/o/${id}`);
    const row = page.getByRole('row').filter({ hasText: unknown });
    await row.waitFor();
    await page.getByRole('columnheader', { name: sends }).waitFor();
    assert.match(await row.innerText(), advice);
    assert.equal(await page.getByText(fine, { exact: true }).count(), 4, 'the slash, the capitals, the token and the media type need nothing');
    await go(`#/o/${id}/log/${number}`);
    await page.getByRole('row').filter({ hasText: unknown }).getByText('shoeSize').waitFor();
    await go('#/organizations');
  }
  await api(`/tenants/${id}/connection`, { method: 'DELETE' });
});

test('every provider has its own fields, mappings and steps in both languages', async () => {
  const { identityProviders } = await api('/identity-providers');
  for (const { id, name } of identityProviders) {
    const other = await api('/tenants', { method: 'POST', body: { name: `${name} ${STAMP}` } });
    const { attributeMappings } = await api(`/tenants/${other.id}/connection`, { method: 'POST', body: { identityProvider: id } });
    const { guide } = await api(`/identity-providers/${id}`);
    for (const language of ['de', 'en']) {
      await page.locator('#language').selectOption(language);
      await go(`#/o/${other.id}/setup`);
      await page.locator('.step-head').first().waitFor();
      const steps = guide.steps.filter(({ groups }) => groups !== true);
      assert.deepEqual(await page.locator('.step-title').evaluateAll((titles) => titles.map((title) => title.lastChild.textContent)), steps.map(({ title }) => title[language]), id);
      for (const label of [guide.fields.url, guide.fields.token]) await page.getByRole('group', { name: label, exact: true }).waitFor();
      const mapped = steps.findIndex(({ shows }) => shows === 'mappings');
      if (!await page.locator('.mappings').isVisible()) await page.locator('.step-head').nth(mapped).click();
      assert.equal(await page.locator('.mappings tbody tr').count(), attributeMappings.length, id);
      assert.doesNotMatch(await page.locator('main').innerText(), /[{}*]{2}|undefined|(?<!\$)\{(?!\$)/, id);
      if (id !== 'entra') assert.doesNotMatch(await page.locator('main').innerText(), /Entra|Tenant URL/, id);
      await go('#/organizations');
    }
    await api(`/tenants/${other.id}/connection`, { method: 'DELETE' });
    await api(`/tenants/${other.id}`, { method: 'DELETE' });
  }
});

test('groups are switched on, listed, and found in the log', async () => {
  const { id } = await api('/tenants', { method: 'POST', body: { name: `Groups ${STAMP}` } });
  await go(`#/o/${id}/setup`);
  await page.getByLabel('Okta').check();
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByLabel('Synchronize groups as well').check();
  await page.getByRole('button', { name: 'Start SCIM setup' }).click();
  await page.getByRole('button', { name: /Push groups/ }).waitFor();
  const connection = await api(`/tenants/${id}/connection`);
  assert.deepEqual([connection.identityProvider, connection.groups], ['okta', true]);
  const okta = provider(`${URL_}${new URL(connection.tenantUrl).pathname}`, connection.secretToken);
  assert.equal((await okta.group('Sales <b>')).status, 201);
  assert.equal((await okta.group('Sales <b>')).status, 409);
  await go(`#/o/${id}/groups`);
  await page.getByRole('link', { name: 'Sales <b>' }).click();
  await page.getByRole('link', { name: 'Created Sales <b>' }).click();
  await page.locator('.facts').getByText('Sales <b>').waitFor();
  await go(`#/o/${id}/settings`);
  await page.getByLabel('Synchronize groups as well').uncheck();
  await page.locator('form', { hasText: 'Synchronize groups' }).getByRole('button', { name: 'Save' }).click();
  await until(async () => assert.equal((await api(`/tenants/${id}/connection`)).groups, false));
  // Another instance may still know the connection as it was, for a second.
  await until(async () => assert.equal((await okta.group('Late')).status, 501));
  await go(`#/o/${id}/log?outcome=failure`);
  await page.getByRole('link', { name: /groups are not synchronized/ }).click();
  await page.getByText('Okta tried to synchronize a group.', { exact: false }).waitFor();
  lookalike = { id, okta };
});

test('requests of another provider are noticed, and the provider is changed', async () => {
  const { id, okta } = lookalike;
  await api(`/tenants/${id}/connection`, { method: 'PATCH', body: { identityProvider: 'jumpcloud' } });
  for (let i = 0; i < 5; i += 1) await okta.read('/Users?startIndex=1&count=2', 'Okta SCIM Client 1.0.0');
  await go(`#/o/${id}`);
  await page.getByText('The requests look like Okta, but this connection is set up for JumpCloud.', { exact: false }).waitFor();
  await shot(page, 'lookalike', 'en', 'light', 1280);
  await page.getByRole('button', { name: 'Change to Okta' }).click();
  await until(async () => assert.equal((await api(`/tenants/${id}/connection`)).identityProvider, 'okta'));
  await page.getByText('Change to Okta').waitFor({ state: 'detached' });
  await api(`/tenants/${id}/connection`, { method: 'DELETE' });
});

test('fifty users arrive, and the log says which failed and why', async () => {
  for (let i = 1; i <= 50; i += 1) {
    const name = i === 37 ? `user1.${STAMP}@contoso.com` : i === 50 ? MARKUP : `user${i}.${STAMP}@contoso.com`;
    const { status } = await entra.create(name, `User ${i}`);
    assert.equal(status, i === 37 ? 409 : 201, name);
  }
  await go(`#/o/${tenant.id}/log`);
  await page.locator('.rows li').first().waitFor();
  await page.locator('.segments').getByText('Failed', { exact: true }).click();
  const refused = page.getByRole('link', { name: /Refused to create user1\..*already taken/ });
  await refused.first().waitFor();
  await refused.first().click();
  await page.getByRole('heading', { name: 'Why it failed' }).waitFor();
  await page.getByRole('heading', { name: 'What to do' }).waitFor();
  assert.match(await copied('Copy as curl'), /^curl [\s\S]*--request 'POST'[\s\S]*--url '.*\/Users'[\s\S]*\$SECRET_TOKEN/);
  const transcript = await copied('Copy as test transcript');
  assert.match(transcript, /POST \/scim\/v2\/\S+ HTTP\/1\.1[\s\S]*HTTP\/1\.1 409 Conflict/);
  assert.ok(!transcript.includes(entra.token), 'secrets stay masked');
  await page.getByRole('link', { name: 'Back to the log' }).click();
  assert.match(page.url(), /outcome=failure/);
});

test('a user name made of markup stays text', async () => {
  await go(`#/o/${tenant.id}/users?search=${encodeURIComponent(MARKUP)}`);
  await page.getByRole('link', { name: MARKUP }).click();
  await page.getByRole('heading', { name: MARKUP }).waitFor();
  await go(`#/o/${tenant.id}/log`);
  await page.getByText(MARKUP).first().waitFor();
  assert.equal(await page.locator('main img').count(), 0);
});

test('filters and export of the log show what the API says', async () => {
  for (const query of ['outcome=failure', 'kind=change', 'kind=read', 'operation=create', 'status=409', 'search=user12']) {
    const { requests } = await api(`/tenants/${tenant.id}/requests?${query}&limit=50&probes=false`);
    await go(`#/o/${tenant.id}/log?${query}`);
    await until(async () => assert.deepEqual(await rowNumbers(), requests.map(({ number }) => number), query));
    const link = page.getByRole('link', { name: 'Export this selection as NDJSON' });
    const exported = await page.evaluate(async (href) => (await fetch(href)).text(), await link.getAttribute('href'));
    const all = await everyRequest(query);
    assert.deepEqual(exported.trim().split('\n').filter(Boolean).map((line) => JSON.parse(line).number).sort((a, b) => b - a), all, query);
  }
  await go(`#/o/${tenant.id}/log?probes=1&operation=probe`);
  await page.getByText('Connection test succeeded').first().waitFor();
});

test('paging stays right while records arrive', async () => {
  await go(`#/o/${tenant.id}/log`);
  await page.locator('.rows li').first().waitFor();
  const first = await rowNumbers();
  await page.evaluate(() => window.scrollTo(0, 900));
  await page.locator('.rows li a').nth(20).focus();
  await entra.create(`late.${STAMP}@contoso.com`, 'Late');
  await page.getByRole('button', { name: /\d new/ }).waitFor();
  await page.getByRole('button', { name: 'Show older' }).click();
  await until(async () => assert.ok((await rowNumbers()).length > first.length));
  const both = await rowNumbers();
  assert.deepEqual(both.slice(0, first.length), first);
  assert.equal(new Set(both).size, both.length, 'no record twice');
  await page.getByRole('button', { name: /\d new/ }).click();
  await until(async () => assert.ok((await rowNumbers())[0] > first[0]));
});

test('a change shows before and after', async () => {
  const { id } = (await api(`/tenants/${tenant.id}/users?search=user2.${STAMP}`)).users[0];
  await entra.patch(id, [{ op: 'Replace', path: 'displayName', value: 'Renamed' }]);
  await entra.patch(id, [{ op: 'Replace', path: 'active', value: 'False' }]);
  await go(`#/o/${tenant.id}/log`);
  await page.getByRole('link', { name: `Disabled user2.${STAMP}@contoso.com` }).click();
  const row = page.getByRole('row', { name: /^active/ });
  assert.match(await row.innerText(), /true\s+false/);
});

test('users can be searched, filtered and deleted by name', async () => {
  await go(`#/o/${tenant.id}/users`);
  await page.locator('.segments').getByText('Disabled', { exact: true }).click();
  await until(async () => assert.equal(await page.locator('tbody tr').count(), 1));
  await page.getByRole('link', { name: `user2.${STAMP}@contoso.com` }).click();
  await page.getByRole('heading', { name: 'History' }).waitFor();
  await page.getByText('Disabled', { exact: false }).first().waitFor();
  await page.getByRole('button', { name: 'Delete user' }).click();
  await page.getByRole('dialog', { name: `Delete user2.${STAMP}@contoso.com?` }).waitFor();
  await page.getByRole('button', { name: 'Delete for good' }).click();
  await page.getByRole('heading', { name: 'Users', level: 1 }).waitFor();
  assert.equal((await api(`/tenants/${tenant.id}/users?search=user2.${STAMP}`)).totalResults, 0);
});

test('a rotated token is shown as new, then as seen', async () => {
  await go(`#/o/${tenant.id}`);
  await page.getByRole('button', { name: 'Rotate token' }).click();
  await page.getByRole('button', { name: 'Create new token' }).click();
  await page.getByText('not seen yet').waitFor();
  const { secretToken } = await api(`/tenants/${tenant.id}/connection`);
  assert.notEqual(secretToken, entra.token);
  assert.equal((await entra.test()).status, 200, 'the old token works during the overlap');
  entra.token = secretToken;
  assert.equal((await entra.test()).status, 200);
  await page.getByText('The new token has arrived.', { exact: false }).waitFor();
});

test('the seat limit refuses one more user and says so', async () => {
  const { activeUsers } = await api(`/tenants/${tenant.id}`);
  await go(`#/o/${tenant.id}/settings`);
  await page.getByLabel('Seat limit').fill(String(activeUsers));
  await page.getByRole('button', { name: 'Save' }).nth(1).click();
  await page.getByRole('status').getByText('Saved').waitFor();
  assert.equal((await entra.create(`over.${STAMP}@contoso.com`, 'Over')).status, 403);
  await go(`#/o/${tenant.id}`);
  await page.getByText('All seats are taken.', { exact: false }).waitFor();
  await go(`#/o/${tenant.id}/log?outcome=failure`);
  await page.getByRole('link', { name: /Refused to create over\..*all seats are taken/ }).waitFor();
  await api(`/tenants/${tenant.id}`, { method: 'PATCH', body: { seats: null } });
});

test('the storage screen shows what the test found, and tests again', async () => {
  await go('#/organizations');
  await page.getByRole('link', { name: 'Storage' }).click();
  await page.getByRole('heading', { name: 'The storage is fit for use' }).waitFor();
  const before = await api('/store');
  await page.locator('.facts').getByText(before.backend, { exact: true }).waitFor();
  await page.locator('.facts').getByText('All of them are written, or none.').waitFor();
  await page.locator('.facts').getByText(before.version, { exact: true }).waitFor();
  assert.deepEqual(await page.locator('tbody td:nth-child(2)').allInnerTexts(), before.checks.map(({ expected }) => expected));
  assert.equal(await page.locator('tbody .badge.good').count(), before.checks.length);
  const again = page.getByRole('button', { name: 'Test again' });
  await again.focus();
  await page.keyboard.press('Enter');
  await page.locator('.facts').getByText('just now').waitFor();
  await until(async () => assert.ok((await api('/store')).testedAt > before.testedAt, 'the server tested'));
  await until(async () => assert.ok(await again.evaluate((node) => node === document.activeElement), 'the focus stays'));
});

test('a store that was never tested says so, and is tested from there', async () => {
  // The store of this run was tested by the first change, so what a new one answers is given here.
  const untested = { status: 404, json: { error: { code: 'not_found', message: 'store: it was not tested yet' } } };
  await page.route('**/admin/api/v1/store', (route) => (route.request().method() === 'GET' ? route.fulfill(untested) : route.continue()));
  await go('#/storage');
  await page.getByRole('heading', { name: 'Not tested yet' }).waitFor();
  await page.getByRole('button', { name: 'Test now' }).click();
  await page.getByRole('heading', { name: 'The storage is fit for use' }).waitFor();
  await page.unrouteAll();
});

test('a store that is not fit is noticed on every screen, and the storage screen says why', async () => {
  // No store of this host is unfit, so its report is given here.
  await page.route('**/admin/api/v1/store', unfit);
  const banner = page.getByRole('status').getByText('Nothing is written to the storage');
  await go(`#/o/${tenant.id}/settings`);
  await page.getByLabel('Seat limit').waitFor();
  assert.equal(await banner.count(), 0, 'the page does not ask on each screen');
  await page.route(`**/admin/api/v1/tenants/${tenant.id}`, (route) => (route.request().method() === 'PATCH'
    ? route.fulfill({ status: 503, json: { error: { code: 'unavailable', message: 'service: the store is not fit to be written to' } } }) : route.continue()));
  await page.getByRole('button', { name: 'Save' }).first().click();
  await banner.waitFor();
  await page.reload();
  await banner.waitFor();
  await go(`#/o/${tenant.id}/users`);
  await page.getByRole('link', { name: 'Storage' }).click();
  await page.getByRole('heading', { name: 'Nothing is written to the storage' }).waitFor();
  await page.getByText(UNFIT.refusal).waitFor();
  assert.match(await page.getByRole('row', { name: /Reading after writing/ }).innerText(), /Failed\s+an older value/);
  assert.equal(await page.locator('.banner').count(), 0, 'said once is enough');
  await page.unrouteAll();
  await page.getByRole('button', { name: 'Test again' }).click();
  await page.getByRole('heading', { name: 'The storage is fit for use' }).waitFor();
  await go('#/organizations');
  assert.equal(await page.locator('.banner').count(), 0);
});

test('a test of the store that fails says so beside what was known', async () => {
  await go('#/storage');
  await page.getByRole('button', { name: 'Test again' }).waitFor();
  await context.setOffline(true);
  await page.getByRole('button', { name: 'Test again' }).click();
  await page.getByRole('alert').getByText('The server cannot be reached.').waitFor();
  await page.getByRole('heading', { name: 'The storage is fit for use' }).waitFor();
  await context.setOffline(false);
  await page.locator('.banner').waitFor({ state: 'detached', timeout: 15000 });
});

test('data that fit together are checked, and nothing is found', async () => {
  await go(`#/o/${tenant.id}/settings`);
  await page.getByRole('button', { name: 'Check the data' }).click();
  await page.getByText('Nothing found. Everything fits together.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Repair' }).count(), 0);
});

test('damage is found, named and mended, and what only a person can decide is left', async () => {
  const { id } = await api('/tenants', { method: 'POST', body: { name: `Damaged ${STAMP}` } });
  const { tenantUrl, secretToken } = await api(`/tenants/${id}/connection`, { method: 'POST', body: { identityProvider: 'entra' } });
  const own = provider(`${URL_}${new URL(tenantUrl).pathname}`, secretToken);
  for (const name of ['alice', 'bob']) assert.equal((await own.create(name, name)).status, 201);
  plant(`t.${id}.l0.0`, null);
  const { findings } = await api(`/tenants/${id}/check`);
  await go(`#/o/${id}/settings`);
  await page.getByRole('button', { name: 'Check the data' }).click();
  await page.getByText(`${findings.length} findings, in the server’s words:`).waitFor();
  assert.deepEqual(await page.locator('.plain-list li').allInnerTexts(), findings);
  await page.getByRole('button', { name: 'Repair' }).click();
  const dialog = page.getByRole('dialog', { name: 'Repair the data?' });
  await dialog.getByText('Changes wait meanwhile.', { exact: false }).waitFor();
  await dialog.getByRole('button', { name: 'Repair' }).click();
  await page.getByText(/\d+ values? mended/).waitFor();
  await page.getByText('Nothing found. Everything fits together.').waitFor();
  await until(async () => assert.ok(await page.getByRole('button', { name: 'Check the data' }).evaluate((node) => node === document.activeElement), 'the focus is at hand'));
  assert.deepEqual((await api(`/tenants/${id}/check`)).findings, []);

  const { users } = await api(`/tenants/${id}/users`);
  plant(`t.${id}.u.${users[1].id}`, '"unreadable"');
  plant(`t.${id}.l0.0`, null);
  await page.getByRole('button', { name: 'Check the data' }).click();
  await page.getByRole('button', { name: 'Repair' }).click();
  await dialog.getByRole('button', { name: 'Repair' }).click();
  await page.getByText('1 finding is left that only a person can decide:').waitFor();
  assert.match(await page.locator('.plain-list li').innerText(), /^document: .*restore it from an export$/);
});

test('a repair that takes several calls shows how far it is', async () => {
  // So much damage would take long to make, so the answers are given here.
  const portions = [{ mended: 400, remaining: 812, left: [] }, { mended: 400, remaining: 412, left: [] }, { mended: 400, remaining: 12, left: [] }, { mended: 12, remaining: 0, left: [] }];
  let goOn;
  const waiting = new Promise((resolve) => { goOn = resolve; });
  await page.route('**/check', (route) => route.fulfill({ json: { findings: portions.length ? ['head: counts 77 active users, there are 2'] : [] } }));
  await page.route('**/repair', async (route) => {
    const portion = portions.shift();
    if (portion.remaining === 412) await waiting;
    await route.fulfill({ json: portion });
  });
  await go(`#/o/${tenant.id}/settings`);
  await page.getByRole('button', { name: 'Check the data' }).click();
  await page.getByText('1 finding, in the server’s words:').waitFor();
  await page.getByRole('button', { name: 'Repair' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Repair' }).click();
  await dialog.getByText('400 mended, 812 left').waitFor();
  goOn();
  await page.getByText('1,212 values mended').waitFor();
  await page.getByText('Nothing found. Everything fits together.').waitFor();
  assert.deepEqual(portions, []);
  await page.unrouteAll();
});

test('a request of a stranger is copied as a command that does nothing but send it', async () => {
  const { id } = await api('/tenants', { method: 'POST', body: { name: `Hostile ${STAMP}` } });
  const { tenantUrl } = await api(`/tenants/${id}/connection`, { method: 'POST', body: { identityProvider: 'entra' } });
  const base = new URL(tenantUrl).pathname;
  const lines = ['X`touch$IFS$9pwned` {}/Users', 'GET {}/Users/$(touch$IFS$9pwned)\'|sh', 'GET {}/Users/x?a=\';touch$IFS$9pwned;\'&b=[1-9]{a,b}!!', 'GET {}/Users/%0Atouch%20pwned%0A%03', 'M-SEARCH {}/Users'];
  for (const line of lines) assert.match(await sent(line.replace('{}', base)), /^HTTP\/1\.1 4\d\d/, line);
  const requests = await until(async () => {
    const { requests: kept } = await api(`/tenants/${id}/requests`);
    assert.deepEqual(kept.map(({ method }) => method).sort(), ['GET', 'GET', 'GET', 'UNKNOWN', 'UNKNOWN']);
    return kept;
  });
  const hostile = '\';touch pwned;\'\n`touch pwned`\u0003\u007f';
  for (const { number } of requests) {
    // What a server before methods were letters would say, and a body that only an answer can bring.
    for (const change of [{}, { method: 'X`touch$IFS$9pwned`', requestBody: `{"userName":${JSON.stringify(hostile)}}` }, { method: hostile, path: `/${hostile}`, query: hostile, requestBody: hostile }]) {
      await page.route(`**/requests/${number}`, altered(change));
      await go(`#/o/${id}/log/${number}`);
      const text = await copied('Copy as curl');
      assert.doesNotMatch(text.replaceAll(' \\\n', ' '), /[^\x20-\x7e\ufffd]/, 'nothing that a terminal acts on');
      const record = { ...await api(`/tenants/${id}/requests/${number}`), ...change };
      for (const shell of ['sh -c', 'bash -c']) {
        const { calls, said, files } = run(text, shell);
        assert.deepEqual([calls.length, said, files], [1, '', []], text);
        assert.deepEqual(calls[0].slice(0, 6), ['--include', '--globoff', '--path-as-is', '--request', record.method.replace(/[\n\u0003\u007f]/g, '\ufffd'), '--url']);
        assert.deepEqual(calls[0].slice(7, 9), ['--header', `Authorization: Bearer ${TOKEN}`]);
        assert.ok(new URL(calls[0][6]).pathname.startsWith(base), calls[0][6]);
        assert.equal(calls[0].length, record.requestBody ? 13 : 9);
      }
      await page.unrouteAll();
    }
  }
  await api(`/tenants/${id}/connection`, { method: 'DELETE' });
});

test('a running deletion is stopped by the button, by Esc and by leaving, and what is left is said', async () => {
  ended = await endedTenant(`Ended ${STAMP}`, 160, 3);
  const calls = await held(page, '**/users', 'DELETE');
  const dialog = page.getByRole('dialog');
  const remaining = async () => (await api(`/tenants/${ended.id}`)).users;
  const begin = async (users) => {
    await page.getByRole('button', { name: `Delete ${users} users, 3 groups` }).click();
    await dialog.getByRole('textbox').fill(ended.name);
    await dialog.getByRole('button', { name: `Delete ${users} users, 3 groups` }).click();
    await calls.next();
    assert.equal(await dialog.getByRole('button', { name: 'Cancel' }).count(), 0);
    await dialog.getByRole('button', { name: 'Stop' }).waitFor();
  };
  await go(`#/o/${ended.id}`);

  await begin(160);
  calls.release();
  await calls.next();
  await dialog.getByText('50 users deleted, 113 left').waitFor();
  await dialog.getByRole('button', { name: 'Stop' }).click();
  await dialog.getByRole('button', { name: 'Stopping…' }).waitFor();
  calls.release();
  await page.getByRole('main').getByText('Stopped: 100 users deleted, 60 users, 3 groups left.').waitFor();
  assert.deepEqual([await dialog.count(), await remaining()], [0, 60]);

  await begin(60);
  await page.keyboard.press('Escape');
  await page.keyboard.press('Escape');
  calls.release();
  await page.getByRole('main').getByText('Stopped: 50 users deleted, 10 users, 3 groups left.').waitFor();
  assert.deepEqual([await dialog.count(), await remaining()], [0, 10]);
  await page.unrouteAll();
  // What is not answered at all is not waited for, and nothing is said that nobody knows.
  const unanswered = await held(page, '**/users', 'DELETE');
  calls.next = unanswered.next;
  await begin(10);
  await dialog.getByRole('button', { name: 'Stop' }).click();
  await page.getByRole('main').getByText('Stopped: 0 users deleted for certain, the last step was not confirmed. 10 users, 3 groups left now.').waitFor();

  await begin(10);
  const cut = page.waitForEvent('requestfailed');
  await page.evaluate((hash) => { location.hash = hash; }, `#/o/${ended.id}/log`);
  await page.getByRole('heading', { name: 'Synchronization log' }).waitFor();
  await cut;
  assert.deepEqual([await dialog.count(), unanswered.begun(), await remaining()], [0, 2, 10]);
  await page.unrouteAll();
  assert.equal(calls.begun(), 3);
});

test('a deletion that fails midway says so, and after it what is left', async () => {
  let call = 0;
  await page.route('**/users', (route) => {
    if (route.request().method() !== 'DELETE') return route.fallback();
    call += 1;
    return call === 1 ? route.fulfill({ json: { deleted: 4, remaining: 9 } }) : route.fulfill({ status: 503, json: { error: { code: 'busy', message: 'somebody else writes' } } });
  });
  await go(`#/o/${ended.id}`);
  const dialog = page.getByRole('dialog');
  await page.getByRole('button', { name: 'Delete 10 users, 3 groups' }).click();
  await dialog.getByRole('textbox').fill(ended.name);
  await dialog.getByRole('textbox').press('Enter');
  await dialog.getByRole('alert').getByText('somebody else writes').waitFor();
  await dialog.getByRole('button', { name: 'Delete 6 users, 3 groups' }).waitFor();
  await dialog.getByRole('button', { name: 'Cancel' }).click();
  // The server here has deleted nothing: what is left is its word, not what was heard in between.
  await page.getByRole('main').getByText('Stopped: 4 users deleted, 10 users, 3 groups left.').waitFor();
  await page.getByRole('button', { name: 'Delete 10 users, 3 groups' }).waitFor();
  assert.equal(call, 2);
  await page.unrouteAll();
});

test('a running repair is stopped, and the data are looked at once more', async () => {
  let checks = 0;
  await page.route('**/check', (route) => { checks += 1; return route.fulfill({ json: { findings: Array.from({ length: checks === 1 ? 1200 : 400 }, (_, i) => `index: ${i}`) } }); });
  await page.route('**/repair', (route) => route.fulfill({ json: { mended: 400, remaining: 1200 - 400 * (calls.begun() - 1), left: [] } }));
  const calls = await held(page, '**/repair', 'POST');
  await go(`#/o/${tenant.id}/settings`);
  await page.getByRole('button', { name: 'Check the data' }).click();
  await page.getByRole('button', { name: 'Repair' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Repair' }).click();
  await calls.next();
  calls.release();
  await calls.next();
  await dialog.getByText('400 mended, 1,200 left').waitFor();
  await dialog.getByRole('button', { name: 'Stop' }).click();
  calls.release();
  await page.getByText('Stopped: 800 values mended.').waitFor();
  await page.getByText('400 findings, in the server’s words:').waitFor();
  assert.deepEqual([calls.begun(), checks, await dialog.count()], [2, 2, 0]);
  await page.unrouteAll();
});

test('what cannot be stopped cannot be cancelled once it has begun', async () => {
  const { id, userName } = (await api(`/tenants/${ended.id}/users?count=1`)).users[0];
  const calls = await held(page, '**/users/*', 'DELETE');
  await go(`#/o/${ended.id}/users/${id}`);
  await page.getByRole('button', { name: 'Delete user' }).click();
  const dialog = page.getByRole('dialog');
  await dialog.getByRole('button', { name: 'Delete for good' }).click();
  await calls.next();
  assert.ok(await dialog.getByRole('button', { name: 'Cancel' }).isDisabled());
  await page.keyboard.press('Escape');
  assert.equal(await dialog.count(), 1, 'Esc does not hide what goes on');
  calls.release();
  await page.getByText(`${userName} deleted`).waitFor();
  assert.equal(await dialog.count(), 0);
  await page.unrouteAll();
});

for (const colorScheme of ['light', 'dark']) {
  test(`the red button of every destructive dialog can be read in every state: ${colorScheme}`, async () => {
    const other = await visitor({ locale: 'en-GB', colorScheme });
    const view = await watched(other);
    await view.goto(URL_);
    await signIn(view);
    const user = (await api(`/tenants/${ended.id}/users?count=1`)).users[0].id;
    const dangers = [
      [`#/o/${tenant.id}`, 'End SCIM connection and delete', NAME],
      [`#/o/${ended.id}`, /^Delete \d+ users/, ended.name],
      [`#/o/${ended.id}/users`, /^Delete \d+ users/, ended.name],
      [`#/o/${ended.id}/users/${user}`, 'Delete user', null],
      [`#/o/${lookalike.id}/settings`, 'Delete organization', null],
    ];
    await view.route('**/admin/api/v1/tenants/**', (route) => (route.request().method() === 'DELETE' ? hold(route) : pass(route)));
    for (const [hash, opener, typed] of dangers) {
      const open = view.getByRole('button', { name: opener });
      // What was deleted before leads to another screen when it is done, which may be just now.
      await until(async () => {
        await view.evaluate((to) => { location.hash = '#/none'; location.hash = to; }, hash);
        await open.waitFor({ timeout: 3000 });
      });
      await open.hover();
      await readable(open, `${opener}: under the pointer`);
      await open.click();
      const red = view.locator('dialog[open] .button.danger');
      if (typed) {
        await red.hover({ force: true });
        await readable(red, `${opener}: disabled, under the pointer`);
        await view.mouse.move(0, 0);
        await readable(red, `${opener}: disabled`);
        await view.locator('dialog[open] input').fill(typed);
      }
      await readable(red, `${opener}: at rest`);
      await red.hover();
      await readable(red, `${opener}: under the pointer`);
      assert.notEqual(await red.evaluate((node) => getComputedStyle(node).backgroundColor), 'rgb(191, 53, 45)', 'the pointer is seen');
      await view.mouse.down();
      await readable(red, `${opener}: pressed`);
      await view.mouse.move(0, 0);
      await view.mouse.up();
      for (let tab = 0; tab < 6 && !await red.evaluate((node) => node.matches(':focus-visible')); tab += 1) await view.keyboard.press('Tab');
      assert.ok(await red.evaluate((node) => node.matches(':focus-visible')), `${opener}: reached by the keyboard`);
      await readable(red, `${opener}: focused`);
      await view.keyboard.press('Enter');
      await until(async () => assert.ok(await red.isDisabled()));
      await readable(red, `${opener}: while it runs`);
      await red.hover({ force: true });
      await readable(red, `${opener}: while it runs, under the pointer`);
      await shot(view, `danger-runs-${dangers.findIndex(([to]) => to === hash)}`, 'en', colorScheme, 1280);
      await letGo();
    }
    await view.unrouteAll({ behavior: 'ignoreErrors' });
    await other.close();
  });
}

test('too many wrong secrets are slowed down, and the button says for how long', async () => {
  const other = await visitor({ locale: 'en-GB' });
  const view = await watched(other);
  // Twenty wrong ones in a minute would shut out the tests that follow, so the answer is given here.
  await view.route('**/admin/api/v1/session', (route) => (route.request().method() === 'POST'
    ? route.fulfill({ status: 429, headers: { 'retry-after': '2' }, json: { error: { code: 'too_many_attempts', message: 'secret: too many wrong ones' } } }) : route.continue()));
  await view.goto(URL_);
  await view.getByLabel('Admin secret').fill(SECRET);
  await view.getByRole('button', { name: 'Sign in' }).click();
  await view.getByText('Too many attempts. Please wait a moment.').waitFor();
  const wait = view.getByRole('button', { name: /^Wait [12] seconds?$/ });
  await wait.waitFor();
  assert.ok(await wait.isDisabled());
  await view.getByRole('button', { name: 'Sign in' }).waitFor();
  assert.equal(await view.getByText('Too many attempts. Please wait a moment.').count(), 0);
  await view.unrouteAll();
  await view.getByRole('button', { name: 'Sign in' }).click();
  await view.locator('input[type=password]').waitFor({ state: 'detached' });
  await other.close();
});

// A connection gets into these states only after hours or thousands of requests, so the answer is altered on its way.
test('an overdue connection says since when, and what to look at', async () => {
  await page.route('**/activity', OVERDUE);
  await go(`#/o/${tenant.id}`);
  await page.getByRole('heading', { name: 'Entra is overdue' }).waitFor();
  await page.locator('.org-line').getByText('Overdue').waitFor();
  assert.match(await page.locator('.facts div', { hasText: 'Overdue since' }).innerText(), /2 hours ago/);
  await page.getByText('Rhythm: 40 minutes, learnt from the log').waitFor();
  await page.unrouteAll();
});

test('a quarantine that is certain is foretold with its reason', async () => {
  for (const [reason, text] of [['share', /The share of failures is near or above Entra’s threshold/], ['count', /The share of failures/], ['credentials', /Entra’s token is refused/]]) {
    await page.route('**/activity', quarantined(reason));
    await go(`#/o/${tenant.id}`);
    const forecast = page.locator('.forecast');
    await forecast.getByText('This will be quarantined').waitFor();
    await forecast.getByText(text).waitFor();
    await forecast.getByText('Last cycle: 6,600 of 12,000 requests failed (55%)').waitFor();
    await forecast.getByRole('img', { name: 'Failures 55%, Entra’s threshold 40%' }).waitFor();
    await page.unrouteAll();
  }
});

test('a lost session returns to where it was', async () => {
  await go(`#/o/${tenant.id}/log?outcome=failure`);
  await page.locator('.rows li').first().waitFor();
  await context.clearCookies();
  await page.getByText('Your session has ended.', { exact: false }).waitFor();
  await signIn(page);
  await page.getByRole('heading', { name: 'Synchronization log' }).waitFor();
  assert.match(page.url(), /outcome=failure/);
});

test('an unreachable server is announced, and the page goes on by itself', async () => {
  await go(`#/o/${tenant.id}`);
  await page.getByRole('heading', { name: 'Connection', level: 1 }).waitFor();
  await context.setOffline(true);
  await page.getByText('The server cannot be reached.', { exact: false }).waitFor({ timeout: 15000 });
  await context.setOffline(false);
  await page.locator('.banner').waitFor({ state: 'detached', timeout: 15000 });
});

test('with one organization the page opens on it', async () => {
  const only = (await api('/tenants')).tenants.find(({ id }) => id === tenant.id);
  await page.route('**/admin/api/v1/tenants', (route) => route.fulfill({ json: { tenants: [only] } }));
  await go('#/');
  await page.getByRole('heading', { name: 'Connection', level: 1 }).waitFor();
  await page.unroute('**/admin/api/v1/tenants');
});

// Every screen, looked at in both languages, both themes and both widths.
for (const [locale, theme, width] of [['en', 'light', 1280], ['en', 'dark', 360], ['de', 'dark', 1280], ['de', 'light', 360]]) {
  test(`every screen is accessible and fits: ${locale}, ${theme}, ${width} px`, async () => {
    const other = await visitor({ locale, colorScheme: theme, viewport: { width, height: 800 } });
    const view = await watched(other);
    await view.goto(URL_);
    await view.locator('input[type=password]').waitFor();
    await look(view, 'sign-in', locale, theme, width);
    await signIn(view);
    for (const [name, hash, act, answers = {}] of await screens()) {
      for (const [path, answer] of Object.entries(answers)) await view.route(path, answer);
      await view.evaluate((to) => { location.hash = '#/none'; location.hash = to; }, hash);
      await view.locator('h1').first().waitFor();
      await view.waitForLoadState('networkidle').catch(() => {});
      await act?.(view);
      await look(view, name, locale, theme, width);
      await letGo();
      await view.unrouteAll();
    }
    await other.close();
  });
}

test('the connection ends, its users are deleted, and a new setup is offered', async () => {
  await go(`#/o/${tenant.id}`);
  await page.getByRole('button', { name: 'End SCIM connection and delete' }).click();
  const dialog = page.getByRole('dialog');
  const { users } = await api(`/tenants/${tenant.id}`);
  await dialog.getByText(`Your ${users} users remain and must be deleted separately.`).waitFor();
  const confirm = dialog.getByRole('button', { name: 'End connection' });
  assert.ok(await confirm.isDisabled(), 'only after the name was typed');
  await dialog.getByRole('textbox').fill(NAME);
  await confirm.click();
  await page.getByRole('heading', { name: /^Connection ended on/ }).waitFor();
  assert.equal((await entra.test()).status, 401);
  await shot(page, 'ended', 'en', 'light', 1280);
  await page.getByRole('button', { name: `Delete ${users} users` }).click();
  await dialog.getByRole('textbox').fill(NAME);
  await dialog.getByRole('button', { name: `Delete ${users} users` }).click();
  await page.getByText('No users remain.').waitFor();
  await page.getByRole('link', { name: 'Set up a new connection' }).click();
  await page.getByRole('button', { name: 'Next' }).click();
  await page.getByRole('button', { name: 'Start SCIM setup' }).click();
  await page.getByText('Waiting for the first request').waitFor();
  await api(`/tenants/${tenant.id}/connection`, { method: 'DELETE' });
  await api(`/tenants/${tenant.id}`, { method: 'DELETE' });
});

test('nothing broke the content security policy or wrote an error to the console', () => {
  assert.deepEqual(problems, []);
});

async function screens() {
  const failed = (await api(`/tenants/${tenant.id}/requests?outcome=failure&limit=1`)).requests[0].number;
  const changed = (await api(`/tenants/${tenant.id}/requests?operation=disable&limit=1`)).requests[0].number;
  const user = (await api(`/tenants/${tenant.id}/users?count=1`)).users[0].id;
  const at = `#/o/${tenant.id}`;
  return [
    ['organizations', '#/organizations'],
    ['setup-provider', `#/o/${lookalike.id}/setup`, (view) => view.locator('.choices').waitFor()],
    ['setup-confirm', `#/o/${lookalike.id}/setup`, async (view) => { await view.locator('form .button.primary').click(); await view.locator('.points').waitFor(); }],
    ['groups', `#/o/${lookalike.id}/groups`, (view) => view.locator('tbody').waitFor()],
    ['organization-add', '#/organizations', async (view) => { await view.locator('.head .button.primary').click(); }],
    ['setup', `${at}/setup`, async (view) => { await view.locator('.step-head').nth(6).waitFor(); if (!await view.locator('#step-mappings').isVisible()) await view.locator('.step-head').nth(6).click(); }],
    ['connection', at, (view) => view.locator('.chart svg').waitFor()],
    ['connection-details', at, async (view) => { await view.locator('[aria-controls=configuration]').click(); await view.locator('.mappings').waitFor(); }],
    ['rotate', at, (view) => view.locator('[aria-controls=configuration] + button').click()],
    ['end', at, (view) => view.locator('.card.danger button').click()],
    ['log', `${at}/log`, (view) => view.locator('.rows').waitFor()],
    ['log-filters', `${at}/log?probes=1&range=custom`, (view) => view.locator('.rows').waitFor()],
    ['log-nothing', `${at}/log?search=zzzzzz`, (view) => view.locator('.empty').waitFor()],
    ['record-failed', `${at}/log/${failed}`, (view) => view.locator('.exchange').waitFor()],
    ['record-changed', `${at}/log/${changed}`, (view) => view.locator('.exchange').waitFor()],
    ['users', `${at}/users`, (view) => view.locator('tbody').waitFor()],
    ['user', `${at}/users/${user}`, (view) => view.locator('.rows').waitFor()],
    ['user-delete', `${at}/users/${user}`, (view) => view.locator('.head .button.danger').click()],
    ['leftovers', `#/o/${ended.id}`, (view) => view.locator('.card.danger button').click()],
    ['leftovers-running', `#/o/${ended.id}`, removing, { '**/users': portions(50, 2451) }],
    ['leftovers-stopped', `#/o/${ended.id}`, async (view) => { await removing(view); await view.locator('dialog[open] .row.end .button').first().click(); await letGo(); await view.locator('main .note.warn').waitFor(); }, { '**/users': portions(50, 2451) }],
    ['settings', `${at}/settings`, (view) => view.locator('form').first().waitFor()],
    ['check-sound', `${at}/settings`, async (view) => { await view.locator('[data-key=check]').click(); await view.locator('.note.good').waitFor(); }],
    ['check-found', `${at}/settings`, async (view) => { await view.locator('[data-key=check]').click(); await view.locator('.plain-list').waitFor(); }, DAMAGED],
    ['repair', `${at}/settings`, async (view) => { await view.locator('[data-key=check]').click(); await view.locator('.plain-list ~ div button').click(); }, DAMAGED],
    ['repair-left', `${at}/settings`, async (view) => {
      await view.locator('[data-key=check]').click();
      await view.locator('.plain-list ~ div button').click();
      await view.locator('dialog [type=submit]').click();
      await view.locator('.note.good').waitFor();
    }, DAMAGED],
    ['storage', '#/storage', (view) => view.locator('tbody').waitFor()],
    ['storage-unfit', '#/storage', (view) => view.locator('.state.bad').waitFor(), { '**/admin/api/v1/store': unfit }],
    // What the page was told stays until the store is asked again.
    ['storage-notice', '#/organizations', (view) => view.locator('.banner').waitFor()],
    ['storage-untested', '#/storage', (view) => view.locator('.empty').waitFor(), { '**/admin/api/v1/store': (route) => route.fulfill({ status: 404, json: { error: { code: 'not_found' } } }) }],
    ['reads', at, (view) => view.locator('.table .badge.warn').first().waitFor(), { '**/connection': altered({ leniencies: READ }) }],
    ['overdue', at, (view) => view.locator('.state.warn').waitFor(), { '**/activity': OVERDUE }],
    ['quarantine', at, (view) => view.locator('.meter.bad').waitFor(), { '**/activity': quarantined('share') }],
    ['missing', '#/nowhere'],
  ];
}

/** Lets a request through; the page may be gone by then. */
const pass = (route) => route.fallback().catch(() => {});

/** Deletions that are not answered for now. Whoever drops one lets it through to the server. */
const open = [];
const hold = (route) => { open.push(route); };
const letGo = () => Promise.all(open.splice(0).map((route) => route.fulfill({ json: { deleted: 0, remaining: 1 } }).catch(() => {})));

/** Answers a deletion: one portion at once, the next ones when they are let go. */
function portions(deleted, remaining) {
  let first = true;
  return (route) => {
    if (route.request().method() !== 'DELETE') return pass(route);
    if (!first) return hold(route);
    first = false;
    return route.fulfill({ json: { deleted, remaining } });
  };
}

/** Begins the deletion of what an ended connection left, and waits until it has gone one portion further. */
async function removing(view) {
  await view.locator('.card.danger button').click();
  await view.locator('dialog[open] input').fill(ended.name);
  await view.locator('dialog[open] .button.danger').click();
  await view.locator('dialog[open] [role=status]').getByText(/2[.,]451/).waitFor();
}

const UNFIT = {
  version: '0.1.0', layout: 1, testedAt: '2026-01-02T03:04:05Z', backend: 'unknown', batches: 'parts', usable: false,
  refusal: 'readYourWrites: expected each read to see the write before it, found an older value; on DynamoDB set consistent_read = true',
  checks: [
    { name: 'keys', expected: 'keys of 255 bytes out of A-Z a-z 0-9 - _ . :', found: null },
    { name: 'readYourWrites', expected: 'each read to see the write before it', found: 'an older value; on DynamoDB set consistent_read = true' },
    { name: 'newer', expected: 'something that this page has no name for', found: null },
  ],
};
const unfit = (route) => route.fulfill({ json: UNFIT });

const DAMAGED = {
  '**/check': (route) => route.fulfill({ json: { findings: ['head: counts 77 active users, there are 2', `index: t.x.n.${'3f2a1b09'.repeat(8)} misses user ${'0a1b2c3d'.repeat(4)}`] } }),
  '**/repair': (route) => route.fulfill({ json: { mended: 3, remaining: 0, left: [`user: ["${'0a1b2c3d'.repeat(4)}", "${'9f8e7d6c'.repeat(4)}"] have the same name; rename or delete one`] } }),
};

/** The real activity with something else in it. */
const altered = (change) => async (route) => {
  const response = await route.fetch();
  await route.fulfill({ response, json: { ...await response.json(), ...change } });
};
const READ = Object.fromEntries(['unknownName', 'booleanAsText', 'doubleSlash', 'bearerSpelling', 'mediaType', 'somethingNewer'].map((name, i) => [name, { count: 12345 >> i, last: '2026-01-02T03:04:05Z' }]));
const OVERDUE = altered({ state: 'overdue', overdueSince: new Date(Date.now() - 7200e3).toISOString(), expectedNextAt: null, cycle: { seconds: 2400, learnt: true, requests: 0, failures: 0 }, quarantine: { risk: 'none', reason: null, share: 0 } });
const quarantined = (reason) => altered({ state: 'failing', cycle: { seconds: 2400, learnt: true, requests: 12000, failures: 6600 }, quarantine: { risk: 'certain', reason, share: 0.55 } });

/** Puts a value under a key of the store, past the server, or takes it away: no way of the server's leads to damaged data. */
function plant(key, value) {
  const script = `import sqlite3, sys
database = sqlite3.connect('file:' + sys.argv[1] + '?mode=rw', timeout=10, uri=True)
changed = database.execute('DELETE FROM spin_key_value WHERE key = ?', [sys.argv[2]]) if len(sys.argv) == 3 else database.execute('UPDATE spin_key_value SET value = CAST(? AS BLOB) WHERE key = ?', [sys.argv[3], sys.argv[2]])
assert changed.rowcount == 1, sys.argv[2]
database.commit()`;
  execFileSync('python3', ['-c', script, STORE, key, ...(value === null ? [] : [value])]);
}

async function look(view, name, locale, theme, width) {
  await shot(view, name, locale, theme, width);
  const over = await view.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(over <= 0, `${name}: ${over} px too wide`);
  await view.evaluate(AXE);
  const { violations } = await view.evaluate((tags) => window.axe.run(document, { runOnly: tags }), WCAG);
  assert.deepEqual(violations.map(({ id, nodes }) => `${id}: ${nodes[0].html}`), [], name);
  assert.deepEqual(await faint(view, await view.locator('dialog[open]').count() ? 'dialog[open]' : 'body'), [], name);
}

async function shot(view, name, locale, theme, width) {
  const full = await view.locator('dialog[open]').count() === 0;
  await view.screenshot({ path: `${SHOTS}${name}.${locale}.${theme}.${width}.png`, fullPage: full });
}

function visitor(options) {
  return browser.newContext({ viewport: { width: 1280, height: 800 }, reducedMotion: 'reduce', colorScheme: 'light', ...options });
}

/** A page whose errors, whose console and whose policy violations fail the run. */
async function watched(of) {
  const view = await of.newPage();
  view.setDefaultTimeout(10000);
  // The browser notes refused answers and the lost network by itself; both are provoked here.
  const lost = /Failed to load resource: net::ERR_INTERNET_DISCONNECTED/;
  const refused = /Failed to load resource: the server responded with a status of (401|404|429|503)/;
  const expected = (message) => lost.test(message.text()) || (refused.test(message.text()) && message.location().url.startsWith(`${URL_}/admin/api/`));
  view.on('console', (message) => { if (message.type() === 'error' && !expected(message)) problems.push(message.text()); });
  view.on('pageerror', (error) => problems.push(String(error)));
  view.on('dialog', (dialog) => { problems.push(`alert: ${dialog.message()}`); dialog.dismiss(); });
  view.on('request', (request) => { if (!request.url().startsWith(URL_) && !request.url().startsWith('data:')) problems.push(`foreign request: ${request.url()}`); });
  await view.addInitScript(() => document.addEventListener('securitypolicyviolation', (event) => console.error(`policy: ${event.violatedDirective} ${event.blockedURI}`)));
  return view;
}

async function signIn(view) {
  await view.locator('input[type=password]').fill(SECRET);
  await view.locator('form button').click();
  await view.locator('input[type=password]').waitFor({ state: 'detached' });
}

/** The words of an element can be read as it looks now. */
async function readable(locator, what) {
  const ratios = await ratiosOf(locator);
  assert.ok(ratios.length > 0 && ratios.every((ratio) => ratio >= 4.5), `${what}: ${ratios}`);
}

/** Holds the requests of a method until each is released; `next` waits for one more, `begun` counts them. */
async function held(view, path, method) {
  const waiting = [];
  const arrivals = [];
  let begun = 0;
  await view.route(path, async (route) => {
    if (route.request().method() !== method) return pass(route);
    begun += 1;
    arrivals.shift()?.();
    await new Promise((resolve) => { waiting.push(resolve); });
    return pass(route);
  });
  let seen = 0;
  return {
    begun: () => begun,
    release: () => waiting.shift()(),
    next: async () => { seen += 1; while (begun < seen) await new Promise((resolve) => { arrivals.push(resolve); }); },
  };
}

/** An organization whose connection has ended and left users and groups behind. */
async function endedTenant(name, users, groups) {
  const { id } = await api('/tenants', { method: 'POST', body: { name } });
  const { tenantUrl, secretToken } = await api(`/tenants/${id}/connection`, { method: 'POST', body: { identityProvider: 'entra' } });
  await api(`/tenants/${id}/connection`, { method: 'PATCH', body: { groups: true } });
  const own = provider(`${URL_}${new URL(tenantUrl).pathname}`, secretToken);
  const made = async (make) => {
    for (;;) {
      const response = await make();
      if (response.status !== 429) return assert.equal(response.status, 201);
      await new Promise((resolve) => { setTimeout(resolve, 1000 * Number(response.headers.get('retry-after') ?? 1)); });
    }
  };
  const makes = [...Array.from({ length: users }, (_, i) => () => own.create(`left${i}@contoso.com`, `Left ${i}`)), ...Array.from({ length: groups }, (_, i) => () => own.group(`Left ${i}`))];
  await Promise.all(Array.from({ length: 8 }, async () => { while (makes.length > 0) await made(makes.shift()); }));
  await api(`/tenants/${id}/connection`, { method: 'DELETE' });
  return { id, name };
}

/** Sends a request line as no browser would, without a token, and gives the answer. */
function sent(line) {
  const { hostname, port } = new URL(URL_);
  return new Promise((resolve, reject) => {
    let answer = '';
    const socket = connect(Number(port || 80), hostname, () => socket.write(`${line} HTTP/1.1\r\nHost: ${hostname}:${port}\r\nConnection: close\r\n\r\n`));
    socket.on('data', (chunk) => { answer += chunk; });
    socket.on('end', () => resolve(answer));
    socket.on('error', reject);
  });
}

/** Another screen, drawn anew even when the page is there already. */
async function go(hash) {
  await page.evaluate((to) => { location.hash = '#/none'; location.hash = to; }, hash);
  await page.locator('h1').first().waitFor();
}

async function copied(name) {
  await page.getByRole('button', { name }).first().click();
  return page.evaluate(() => navigator.clipboard.readText());
}

async function rowNumbers() {
  return page.locator('.log .rows li a').evaluateAll((links) => links.map((link) => Number(link.hash.split('/').pop())));
}

async function everyRequest(query) {
  const numbers = [];
  for (let next = ''; next !== null;) {
    const answer = await api(`/tenants/${tenant.id}/requests?${query}&limit=200&probes=false${next && `&before=${next}`}`);
    numbers.push(...answer.requests.map(({ number }) => number));
    next = answer.next;
  }
  return numbers;
}

async function until(check, timeout = 10000) {
  for (const end = Date.now() + timeout; ;) {
    try { return await check(); } catch (error) { if (Date.now() > end) throw error; }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

async function api(path, { method = 'GET', body } = {}) {
  const response = await fetch(`${URL_}/admin/api/v1${path}`, { method, body: body && JSON.stringify(body),
    headers: { authorization: `Bearer ${SECRET}`, ...(body && { 'content-type': 'application/json' }) } });
  assert.ok(response.ok, `${method} ${path}: ${response.status} ${response.ok ? '' : await response.text()}`);
  return response.status === 204 ? null : response.json();
}

/** Entra as its requests look from here: the probe, a create, a PATCH. */
function provider(base, token) {
  const send = (method, path, body, as) => fetch(base + path, { method, body: body && JSON.stringify(body),
    headers: { authorization: `Bearer ${as}`, ...(body && { 'content-type': 'application/scim+json; charset=utf-8' }) } });
  return {
    token,
    test(as = this.token) { return send('GET', `/Users?filter=userName+eq+%22${randomUUID()}%22`, undefined, as); },
    create(userName, displayName) {
      return send('POST', '/Users', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:User'], externalId: randomUUID(), userName, active: true, displayName, meta: { resourceType: 'User' } }, this.token);
    },
    group(displayName) { return send('POST', '/Groups', { schemas: ['urn:ietf:params:scim:schemas:core:2.0:Group'], displayName, members: [] }, this.token); },
    read(path, agent) { return fetch(base + path, { headers: { authorization: `Bearer ${this.token}`, 'user-agent': agent } }); },
    patch(id, operations) { return send('PATCH', `/Users/${id}`, { schemas: ['urn:ietf:params:scim:api:messages:2.0:PatchOp'], Operations: operations }, this.token); },
  };
}

/** Every message by its key, with the places in it and how many forms and lines it has. */
function shape(value, key = '') {
  if (typeof value === 'string') return { [key]: { places: [...new Set(value.match(/\{\w+\}/g) ?? [])].sort(), lines: value.split('\n').length } };
  // German and English differ in whether the number changes the word: a plural counts as its last form.
  if (Array.isArray(value) && !key.startsWith('.why.')) return shape(value.at(-1), key);
  return Object.assign({}, ...Object.entries(value).map(([name, one]) => shape(one, `${key}.${name}`)));
}
