// `sallyport backup` and `sallyport restore`: a copy of the embedded store, while the gateway runs or not, and back.

import { resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { exitCodes, SallyportError } from '../flow/errors.ts';
import { makeBackup, requireStore, restoreBackup, type BackupList, type StoreOwner } from './backup.ts';
import { holdLock } from './sqlite-lock.ts';

const backupUsage = `usage: sallyport backup FOLDER [--config FILE] [--json]

Copies the embedded store into FOLDER, which must be new or empty, as it is at one moment. The gateway goes on: records
wait in their segments until the copy is made. Run it as root on the gateway's machine. The copy holds tokens' digests
and everything that was recorded: keep it as safe as the store.
  --config FILE   sallyport.yaml of the gateway (default /etc/sallyport/sallyport.yaml)
  --json          print {folder, made, files, bytes}
A store in PostgreSQL is copied by pg_dump.
Exit codes: 0 done, 2 invalid input, 69 the gateway runs and does not answer, 70 our own error (a full disk).
`;
const restoreUsage = `usage: sallyport restore FOLDER [--config FILE] [--json]

Makes the embedded store of what \`sallyport backup\` wrote into FOLDER. The gateway must have ended, and the store's folder
must be missing or empty: move an old store away first. Every file is checked before anything is written.
  --config FILE   sallyport.yaml of the gateway (default /etc/sallyport/sallyport.yaml)
  --json          print {folder, made, files, bytes}
Exit codes: 0 done, 2 no whole backup, or there is a store, 70 our own error (a full disk).
`;
const options = {
  config: { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
} as const;
const [pauseSeconds, renewMs] = [120, 30_000];

interface Io {
  readonly stdout: NodeJS.WritableStream;
}

/** What the commands need of the rest of the program. */
export interface StoreCommandPorts {
  /** The store's folder; null where it is in PostgreSQL. */
  place(config: string | undefined): { readonly folder: string | null; readonly owner: StoreOwner };
  /** Has the running gateway write nothing for so long (0: no longer). @throws SallyportError kernel when none answers */
  pause(config: string | undefined, seconds: number): Promise<unknown>;
  readonly version: string;
}

/** Runs `sallyport backup`. */
export async function runBackup(args: readonly string[], io: Io, ports: StoreCommandPorts): Promise<number> {
  const asked = readArguments(args, io, backupUsage);
  if (asked === null) return exitCodes.ok;
  const { folder } = ports.place(asked.config);
  if (folder === null)
    throw new SallyportError(
      'usage',
      'the store is in PostgreSQL: use pg_dump, such as pg_dump --format=custom --file=sallyport.dump DATABASE',
    );
  requireStore(folder);
  const end = await rest(folder, asked.config, ports);
  try {
    return print(await makeBackup(folder, asked.folder, ports.version), asked, io);
  } finally {
    await end();
  }
}

/** Runs `sallyport restore`. */
export async function runRestore(args: readonly string[], io: Io, ports: StoreCommandPorts): Promise<number> {
  const asked = readArguments(args, io, restoreUsage);
  if (asked === null) return exitCodes.ok;
  const { folder, owner } = ports.place(asked.config);
  if (folder === null)
    throw new SallyportError('usage', 'the store is in PostgreSQL: use pg_restore into an empty database');
  return print(await restoreBackup(asked.folder, folder, owner), asked, io);
}

interface Asked {
  readonly folder: string;
  readonly config: string | undefined;
  readonly isJson: boolean;
}

function readArguments(args: readonly string[], io: Io, usage: string): Asked | null {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true });
  if (values.help) {
    io.stdout.write(usage);
    return null;
  }
  const [folder, ...more] = positionals;
  if (folder === undefined || more.length > 0)
    throw new SallyportError('usage', 'name one folder; --help lists the options');
  return { folder: resolve(folder), config: values.config, isJson: values.json === true };
}

/** Has whoever writes to the store rest, until the answer is called. */
async function rest(
  folder: string,
  config: string | undefined,
  ports: StoreCommandPorts,
): Promise<() => Promise<void>> {
  try {
    const lock = holdLock(folder);
    return async () => lock.close();
  } catch (error) {
    // Somebody has it: the gateway, which is asked.
    if (!(error instanceof SallyportError)) throw error;
  }
  await ports.pause(config, pauseSeconds);
  const timer = setInterval(() => ports.pause(config, pauseSeconds).catch(() => {}), renewMs);
  return async () => {
    clearInterval(timer);
    await ports.pause(config, 0);
  };
}

function print({ made, files }: BackupList, { folder, isJson }: Asked, io: Io): number {
  const bytes = files.reduce((sum, file) => sum + file.bytes, 0);
  const told = { folder, made, files: files.length, bytes };
  io.stdout.write(
    isJson ? `${JSON.stringify(told)}\n` : `${files.length} files, ${bytes} bytes, of ${made}: ${folder}\n`,
  );
  return exitCodes.ok;
}
