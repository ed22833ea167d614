// Started by a test: a keeper that hardens itself and starts a worker, and that worker, which tries what it may not.

import { spawn, spawnSync } from 'node:child_process';
import koffi from 'koffi';
import { getSystemErrorName } from 'node:util';
import { hardenKeeper, hardenWorker } from '../../kernel/harden.ts';

if (process.argv[2] === 'keeper') {
  hardenKeeper();
  const worker = spawn(
    process.execPath,
    ['--disable-warning=ExperimentalWarning', import.meta.filename, 'worker'],
    {
      uid: 65_534,
      gid: 65_534,
      env: {},
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  worker.stdout.on('data', (data: Buffer) => {
    process.stdout.write(
      `${JSON.stringify({ worker: worker.pid, attempts: JSON.parse(data.toString()) })}\n`,
    );
  });
} else {
  hardenWorker();
  const library = koffi.load(null);
  const failure = (definition: string, ...args: unknown[]): string =>
    library.func(definition)(...args) < 0 ? getSystemErrorName(-koffi.errno()) : 'done';
  process.stdout.write(
    JSON.stringify({
      exec: spawnSync('/bin/true').error === undefined ? 'done' : 'EPERM',
      ptrace: failure('long ptrace(int, int, void *, void *)', 0, 0, null, null),
      unshare: failure('int unshare(int)', 0x1000_0000),
      setns: failure('int setns(int, int)', 0, 0),
      mount: failure('int mount(str, str, str, unsigned long, void *)', 'none', '/', 'tmpfs', 0, null),
      keyctl: failure('long syscall(long, long, long, long)', process.arch === 'x64' ? 250 : 219, 0, 0, 0),
      bpf: failure('long syscall(long, long, long, long)', process.arch === 'x64' ? 321 : 280, 0, 0, 0),
    }),
  );
  setInterval(() => {}, 1000);
}
