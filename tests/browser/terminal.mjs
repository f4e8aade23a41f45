// A shell into which a copied command is pasted, with a curl that only notes how it was called.

import { spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

export const TOKEN = 's3cret';

// Types the text as a terminal without bracketed paste hands it on, and ends the shell afterwards.
const TYPIST = `import os, pty, select, sys
text, *shell = sys.argv[1:]
child, terminal = pty.fork()
if child == 0:
    os.execvp(shell[0], shell)
def read_until(mark):
    seen = b''
    while mark not in seen:
        if not select.select([terminal], [], [], 20)[0]:
            sys.exit('the shell says no more: %r' % seen)
        try:
            seen += os.read(terminal, 4096)
        except OSError:
            return
read_until(b'READY')
os.write(terminal, text.encode('utf-8', 'surrogatepass') + b'\\n')
# Put together by the shell, so that it is not found where the terminal shows what was typed.
os.write(terminal, b'echo DO""NE\\n')
read_until(b'DONE')
os.write(terminal, b'exit\\n')
read_until(b'never')
os.waitpid(child, 0)`;

/** How a command can come into a shell: as an argument, as a script, or typed at its prompt. */
export const SHELLS = {
  'sh -c': (text) => ['sh', ['-c', text]],
  'bash -c': (text) => ['bash', ['-c', text]],
  'sh < script': (text) => ['sh', [], text],
  'bash < script': (text) => ['bash', [], text],
  'sh at a terminal': (text) => ['python3', ['-c', TYPIST, text, 'sh', '-i']],
  'bash at a terminal': (text) => ['python3', ['-c', TYPIST, text, 'bash', '--norc', '--noprofile', '-i']],
};

/** Runs a command. Gives the arguments of each call of curl, what else the shell said, and the files that were made. */
export function run(text, shell) {
  const home = mkdtempSync(join(tmpdir(), 'terminal-'));
  try {
    const [bin, work, calls] = ['bin', 'work', 'calls'].map((name) => join(home, name));
    for (const folder of [bin, work]) mkdirSync(folder);
    writeFileSync(join(bin, 'curl'), '#!/bin/sh\nprintf \'%s\\0\' "$#" "$@" >>"$CALLS"\n');
    chmodSync(join(bin, 'curl'), 0o755);
    const [program, args, input] = SHELLS[shell](text);
    const env = { PATH: `${bin}:/usr/bin:/bin`, HOME: home, CALLS: calls, SECRET_TOKEN: TOKEN, TERM: 'dumb', LC_ALL: 'C.UTF-8', PS1: 'READY', ENV: '', HISTFILE: '' };
    const { status, stdout, stderr, error } = spawnSync(program, args, { cwd: work, env, input: input ?? '', timeout: 60000 });
    return { calls: parse(read(calls)), said: `${error ?? ''}${status || ''}${stdout}${stderr}`, files: [...readdirSync(work), ...readdirSync(home).filter((name) => !['bin', 'work', 'calls'].includes(name))] };
  } finally {
    rmSync(home, { recursive: true });
  }
}

function read(file) {
  try { return readFileSync(file, 'utf8'); } catch { return ''; }
}

function parse(text) {
  const words = text.split('\0').slice(0, -1);
  const calls = [];
  while (words.length > 0) calls.push(words.splice(0, Number(words.shift())));
  return calls;
}
