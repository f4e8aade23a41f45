// @ts-check
// A request of the log as a command for a shell. Whoever sent the request chose its method, path, query and body, and the
// command is pasted into a terminal: each of these has to stay the text of one argument.

// What a terminal acts on, shows elsewhere or does not show: controls, line ends, directions of text, halves of characters.
// A control works in a terminal within quotes, too: Ctrl-C ends them, a delete takes them away.
const UNSEEN = /[\p{Cc}\p{Cf}\p{Co}\p{Cs}\p{Zl}\p{Zp}]/gu;

/**
 * The request of a record as a curl command for a POSIX shell; `base` is the tenant URL. The token is a variable, because
 * the log does not know it. curl sends one request to the address as it is: without `--globoff` it takes brackets and braces
 * for several addresses, and without `--path-as-is` it resolves `..`. `--data-raw` never reads a file.
 * @param {Pick<Api.Record, 'method' | 'path' | 'query' | 'requestBody'>} record
 * @param {string} base
 */
export function curl({ method, path, query, requestBody }, base) {
  const body = text(requestBody);
  return [
    'curl --include --globoff --path-as-is',
    // With --request, curl waits for the body that an answer to HEAD does not have.
    method === 'HEAD' && !body ? '--head' : `--request ${quoted(method)}`,
    `--url ${quoted(base + target({ path, query }))}`,
    '--header "Authorization: Bearer $SECRET_TOKEN"',
    ...(body ? [`--header ${quoted('Content-Type: application/scim+json')}`, `--data-raw ${quoted(body)}`] : []),
  ].join(' \\\n  ');
}

/**
 * Path and query as a request line holds them, without what would end it or them.
 * @param {Pick<Api.Record, 'path' | 'query'>} record
 */
export function target({ path, query }) {
  return escaped(path, /[^\x21-\x7e]|[#?]/gu) + (query ? `?${escaped(query, /[^\x21-\x7e]|#/gu)}` : '');
}

/**
 * A text in one line that shows all it holds.
 * @param {string} words
 */
export const line = (words) => words.replace(UNSEEN, '\ufffd');

/**
 * One word for the shell. A backslash stands outside the quotes like a quote does, since not every shell takes it for itself
 * within them (fish).
 * @param {string} word
 */
const quoted = (word) => `'${[...line(word)].map((sign) => OUTSIDE[sign] ?? sign).join('')}'`;
/** @type {Record<string, string>} */
const OUTSIDE = { "'": "'\\''", '\\': "'\\\\'" };

/**
 * A part of an address: what is not printable ASCII, or would end the part, in percent signs.
 * @param {string} part
 * @param {RegExp} others
 */
function escaped(part, others) {
  return part.replace(others, (other) => [...new TextEncoder().encode(other)].map(percents).join(''));
}

/** @param {number} byte */
const percents = (byte) => `%${byte.toString(16).toUpperCase().padStart(2, '0')}`;

/**
 * A body in one line: bash looks for `!` in every further line, even within quotes. It is JSON, or the beginning of it. There
 * line ends and tabs are blanks, and all else that is not to be seen can only be in texts, which have escapes for it.
 * @param {unknown} body
 */
function text(body) {
  if (body === null || body === undefined) return '';
  const json = typeof body === 'string' ? body : JSON.stringify(body);
  return json.replace(/[\t\n\r]+/g, ' ').replace(UNSEEN, (sign) => sign.split('').map(escape).join(''));
}

/**
 * The escape of JSON for a UTF-16 code unit.
 * @param {string} unit
 */
const escape = (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`;
