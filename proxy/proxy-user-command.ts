// `sallyport proxy-user`: makes the line that sallyport.yaml, or the file that it names, holds for a user.

import { parseArgs } from 'node:util';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import { isUserLine, makeUserLine } from './proxy-users.ts';

const usage = `usage: sallyport proxy-user NAME < SECRET

Reads a secret from standard input (its first line) and prints NAME:scrypt:SALT:KEY, a user of the explicit proxy for
explicit.users or explicit.usersFile of sallyport.yaml. The secret itself is stored nowhere.
`;

interface Io {
  readonly stdin: NodeJS.ReadableStream;
  readonly stdout: NodeJS.WritableStream;
}

/** Prints one line; answers the exit code. @throws SallyportError usage */
export async function runProxyUser(args: readonly string[], io: Io): Promise<number> {
  const options = { help: { type: 'boolean', short: 'h' } } as const;
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.help) {
    io.stdout.write(usage);
    return exitCodes.ok;
  }
  const [name, ...more] = positionals;
  if (name === undefined || more.length > 0)
    throw new SallyportError('usage', 'one NAME is needed; --help explains');
  let text = '';
  for await (const piece of io.stdin) {
    text += String(piece);
    if (text.includes('\n') || text.length > 4_096) break;
  }
  const secret = text.split(/\r?\n/, 1)[0]!;
  if (secret === '') throw new SallyportError('usage', 'the secret is empty');
  const line = await makeUserLine(name, secret);
  if (!isUserLine(line))
    throw new SallyportError('usage', `"${name}" holds a colon or a space, or is too long`);
  io.stdout.write(`${line}\n`);
  return exitCodes.ok;
}
