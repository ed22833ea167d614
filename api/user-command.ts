// `sallyport user`: makes the line of `access.users` in sallyport.yaml for somebody who logs in with a password.

import { createInterface } from 'node:readline';
import { Writable } from 'node:stream';
import { parseArgs } from 'node:util';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import { hashPassword } from './auth/password.ts';
import { isRole, roles } from './auth/role.ts';
import { isPlainName } from './auth/trusted-header.ts';

const usage = `usage: sallyport user NAME [--role viewer|operator|admin] [--owner OWNER]... [--json] [< PASSWORD]

Reads a password (the first line of standard input; from a terminal without showing it) and prints the line for
access.users of sallyport.yaml. The password itself is stored nowhere; restart the gateway to have it know the user.
  --role R        what the user may (default: viewer)
  --owner OWNER   the user sees jobs of this owner only; may stand several times (default: all)
  --json          print JSON
Exit codes: 0 done, 2 invalid input.
`;

const leastLength = 8;

interface Io {
  readonly stdin: NodeJS.ReadableStream & { readonly isTTY?: boolean };
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream;
}

/** Prints one line; answers the exit code. @throws SallyportError usage */
export async function runUser(args: readonly string[], io: Io): Promise<number> {
  const { values, positionals } = parseArgs({
    args: [...args],
    options: {
      role: { type: 'string' },
      owner: { type: 'string', multiple: true },
      json: { type: 'boolean' },
      help: { type: 'boolean', short: 'h' },
    },
    allowPositionals: true,
  });
  if (values.help) {
    io.stdout.write(usage);
    return exitCodes.ok;
  }
  const [name, ...more] = positionals;
  const { role = 'viewer', owner: owners } = values;
  if (name === undefined || more.length > 0)
    throw new SallyportError('usage', 'one NAME is needed; --help explains');
  if (!isPlainName(name))
    throw new SallyportError('usage', `"${name}" is no plain name: letters, digits and . _ @ + -`);
  if (!isRole(role)) throw new SallyportError('usage', `--role is one of ${roles.join(', ')}`);
  const password = await readPassword(io);
  if (password.length < leastLength)
    throw new SallyportError('usage', `a password has ${leastLength} characters at least`);
  const line = {
    name,
    role,
    ...(owners === undefined ? {} : { owners }),
    password: await hashPassword(password),
  };
  // JSON is YAML too.
  io.stdout.write(values.json ? `${JSON.stringify(line)}\n` : `- ${JSON.stringify(line)}\n`);
  return exitCodes.ok;
}

async function readPassword(io: Io): Promise<string> {
  const isTerminal = io.stdin.isTTY === true;
  if (isTerminal) io.stderr.write('password: ');
  // What is typed is echoed to nowhere.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const lines = createInterface({ input: io.stdin, output: nowhere, terminal: isTerminal });
  try {
    for await (const line of lines) return line;
    return '';
  } finally {
    lines.close();
    if (isTerminal) io.stderr.write('\n');
  }
}
