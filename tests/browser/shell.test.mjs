// What *Copy as curl* gives, pasted into shells: one call of curl with the parts of the request, whatever these hold.

import assert from 'node:assert/strict';
import { createServer } from 'node:net';
import { spawn } from 'node:child_process';
import { test } from 'node:test';
import { SHELLS, TOKEN, run } from './terminal.mjs';

const { curl } = await script();

const BASE = 'https://scim.example.com/scim/v2/abcdefghjk';
const JSON_TYPE = ['--header', 'Content-Type: application/scim+json'];

const HOSTILE = [
  'X`touch$IFS$9pwned`', '`touch pwned`', '$(touch pwned)', '${X:-$(touch pwned)}', '$SECRET_TOKEN', '~', '*', '?', '!!', '!-1', '!touch', '#', '%s', '%00',
  ';touch pwned;', '|touch pwned', '&touch pwned&', '&&touch pwned', '||touch pwned', '<<pwned', '>pwned', '2>pwned', '(touch pwned)', '{touch,pwned}', '[1-3]', '{a,b}',
  '\'', '\'\'', '\'\'\'', '"', '"$(touch pwned)"', '\';touch pwned;\'', '\'"\'"\';touch pwned;\'', '\\', '\\\\', '\\\'', '\\\';touch pwned;\'\\', '\\\\\';touch pwned;\'', '$\'\\x27;touch pwned;\'', 'x\\',
  '-o', '-opwned', '--output', '--output pwned', '-K-', '--', '@/etc/passwd', '@pwned', '<pwned', '=touch pwned', 'x=1 touch pwned',
  '\n', '\ntouch pwned\n', '\'\ntouch pwned\n\'', '\\\ntouch pwned\n', '\r\ntouch pwned\r\n', '\rtouch pwned\r', 'a\n!touch\n!!', '\nEOF\ntouch pwned\n', '\t', '\t\t', ' ', '  touch  pwned',
  '\0', 'X\0;touch pwned', '\u0003\ntouch pwned\n', '\u0004\u0004', '\u0015touch pwned\r', '\u001a\ntouch pwned\n', `${'\u007f'.repeat(90)}\ntouch pwned\n`, '\b\b\b;touch pwned\r',
  '\u0016\u0003', '\u001b[201~\ntouch pwned\n', '\u001b[A\r', '\u009b201~\rtouch pwned\r', '\u0085touch pwned\u0085', '\u2028touch pwned\u2028', '\u202e\u2066dewp hcuot', '\ufeff', '\u200d', '\u{e0041}', '\ud800', '\udc00x',
  'ünï', '😀', '👩‍👩‍👧', '/../../../admin', '/./..', '//evil.example.com', '@evil.example.com/', ':80@evil.example.com', '#/..', '?x=1', ' HTTP/1.1\r\nX-Injected: 1',
];
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/u;

/** The script as a server has it, which is packed; without a server as it is written. */
async function script() {
  const server = process.env.ROLLCALL_URL?.replace(/\/$/, '');
  if (!server) return import('../../plugin/core/page/assets/shell.js');
  const [address] = (await (await fetch(`${server}/`)).text()).match(/assets\/[\w-]+\/(?=main\.js)/);
  const text = await (await fetch(`${server}/${address}shell.js`)).text();
  return import(`data:text/javascript;base64,${Buffer.from(text).toString('base64')}`);
}

/** One word of a command line: as it is, but for what a terminal would act on. */
const word = (value) => [...value].map((sign) => (UNSEEN.test(sign) ? '\ufffd' : sign)).join('');

/** What curl is to be called with. Address and body are judged by what they mean. */
function expectCall(call, { method, path, query, requestBody: body }, base) {
  assert.deepEqual(call.slice(0, 3), ['--include', '--globoff', '--path-as-is']);
  assert.deepEqual(call.slice(3, 5), ['--request', word(method)]);
  assert.equal(call[5], '--url');
  assert.match(call[6], /^[\x21-\x7e]+$/);
  const [address, asked] = split(call[6].slice(word(base).length));
  assert.ok(call[6].startsWith(word(base)), call[6]);
  assert.equal(plain(address), plain(path));
  assert.equal(plain(asked), plain(query));
  assert.deepEqual(call.slice(7, 9), ['--header', `Authorization: Bearer ${TOKEN}`]);
  if (!body) return assert.equal(call.length, 9);
  assert.deepEqual(call.slice(9, 11), JSON_TYPE);
  assert.equal(call[11], '--data-raw');
  assert.doesNotMatch(call[12], new RegExp(UNSEEN, 'u'));
  const meant = json(body);
  if (meant === undefined) assert.equal(call[12].replace(/(\\u[0-9a-f]{4})+/g, (escapes) => JSON.parse(`"${escapes}"`)), body.replace(/[\t\n\r]+/g, ' '));
  else assert.deepEqual(json(call[12]), meant);
  return assert.equal(call.length, 13);
}

const split = (address) => { const at = address.indexOf('?'); return at < 0 ? [address, ''] : [address.slice(0, at), address.slice(at + 1)]; };
const json = (text) => { try { return JSON.parse(text); } catch { return undefined; } };
/** What an address means: percent signs as bytes, so that both ways of writing one compare equal. */
const plain = (part) => Buffer.from(part).toString('latin1').replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(parseInt(hex, 16)));

for (const shell of Object.keys(SHELLS)) {
  test(`a copied request is one call of curl whatever its parts hold: ${shell}`, () => {
    for (const value of HOSTILE) {
      const bodies = [JSON.stringify({ userName: value, [value]: [value] }), JSON.stringify({ userName: value, [value]: 1 }, null, '\t'), `{"userName":"${value}`, value];
      // Typed at a prompt, a command takes its time: there each value comes in one kind of body.
      const tried = shell.endsWith('terminal') ? [bodies[HOSTILE.indexOf(value) % 2 ? 0 : 2]] : [...bodies, ''];
      for (const requestBody of tried) {
        const record = { method: value, path: `/Users/${value}`, query: value, requestBody };
        const { calls, said, files } = run(curl(record, BASE), shell);
        const what = `${shell}: ${JSON.stringify(value)} with ${JSON.stringify(requestBody)}`;
        assert.deepEqual({ calls: calls.length, said, files }, { calls: 1, said: '', files: [] }, what);
        try { expectCall(calls[0], record, BASE); } catch (error) { error.message = `${what}\n${error.message}`; throw error; }
      }
    }
  });
}

test('a tenant URL is quoted, too', () => {
  for (const value of HOSTILE.filter((one) => !UNSEEN.test(one) && /^[\x21-\x7e]+$/.test(one) && !one.includes('?'))) {
    const base = `https://scim.example.com/${value}`;
    const record = { method: 'GET', path: '/Users', query: null, requestBody: null };
    const { calls, said, files } = run(curl(record, base), 'sh -c');
    assert.deepEqual({ calls: calls.length, said, files }, { calls: 1, said: '', files: [] }, value);
    expectCall(calls[0], { ...record, query: '' }, base);
  }
});

test('a request without a body sends none, and a method of letters stays what it was', () => {
  for (const [method, query, address] of [['GET', 'filter=userName+eq+%22a%22', `${BASE}/Users?filter=userName+eq+%22a%22`], ['purge', null, `${BASE}/Users`]]) {
    const { calls } = run(curl({ method, path: '/Users', query, requestBody: null }, BASE), 'sh -c');
    assert.deepEqual(calls, [['--include', '--globoff', '--path-as-is', '--request', method, '--url', address, '--header', `Authorization: Bearer ${TOKEN}`]]);
  }
});

test('the real curl sends the request of the record, and one alone', async () => {
  const requests = [];
  const server = createServer((socket) => {
    let bytes = '';
    socket.on('data', (chunk) => {
      bytes += chunk;
      const [head, body] = bytes.split('\r\n\r\n');
      if (body === undefined || Buffer.byteLength(body) < Number(head.match(/content-length: (\d+)/i)?.[1] ?? 0)) return;
      requests.push({ line: head.split('\r\n')[0], head, body });
      // As long as an answer to GET would be, which an answer to HEAD only says.
      socket.end(`HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: 2\r\n\r\n${head.startsWith('HEAD') ? '' : '{}'}`);
    });
  });
  await new Promise((resolve) => { server.listen(0, '127.0.0.1', resolve); });
  const base = `http://127.0.0.1:${server.address().port}/scim/v2/abcdefghjk`;
  const below = '/scim/v2/abcdefghjk';
  const cases = [
    [{ method: 'GET', path: '/Users/[1-3]{a,b}/../..', query: 'filter=x[1-9]' }, `GET ${below}/Users/[1-3]{a,b}/../..?filter=x[1-9] HTTP/1.1`],
    [{ method: 'GET', path: '/a b#c\n?d', query: 'é#' }, `GET ${below}/a%20b%23c%0A%3Fd?%C3%A9%23 HTTP/1.1`],
    [{ method: 'HEAD', path: '/Users' }, `HEAD ${below}/Users HTTP/1.1`],
    [{ method: 'POST', path: '/Users', requestBody: '@/etc/passwd' }, `POST ${below}/Users HTTP/1.1`],
    [{ method: 'PATCH', path: '/Users/1', requestBody: '{\n\t"n": 12345678901234567890, "s": "a\u007fb\'\\\\"\n}' }, `PATCH ${below}/Users/1 HTTP/1.1`],
    [{ method: 'DELETE', path: '/Users/1' }, `DELETE ${below}/Users/1 HTTP/1.1`],
  ];
  try {
    for (const [record, line] of cases) {
      const before = requests.length;
      const child = spawn('sh', ['-c', `${curl(record, base)} --silent --show-error --disable --noproxy '*' --max-time 20`], { env: { PATH: process.env.PATH, SECRET_TOKEN: TOKEN }, stdio: ['ignore', 'ignore', 'pipe'] });
      let said = '';
      child.stderr.on('data', (chunk) => { said += chunk; });
      const status = await new Promise((resolve) => { child.on('close', resolve); });
      assert.deepEqual([status, said], [0, ''], line);
      assert.deepEqual(requests.slice(before).map((request) => request.line), [line]);
    }
    assert.ok(requests.every(({ head }) => head.includes(`Authorization: Bearer ${TOKEN}`)));
    assert.deepEqual(requests.map(({ body }) => body), ['', '', '', '@/etc/passwd', '{ "n": 12345678901234567890, "s": "a\\u007fb\'\\\\" }', '']);
  } finally {
    server.close();
  }
});
