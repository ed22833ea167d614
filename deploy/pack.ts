// `npm run pack`: compiles every source to dist/ in a staging directory and packs that, because Node strips no types
// below node_modules. With `-- --stage DIR` it also installs the production packages there, for the container image.

import { spawnSync } from 'node:child_process';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';

const root = resolve(import.meta.dirname, '..');
/** Folders whose sources are part of the program. */
const folders = [
  'flow',
  'policy',
  'certs',
  'kernel',
  'dns',
  'proxy',
  'jobs',
  'store',
  'api',
  'platform',
  'registry',
  'advise',
  'netns',
  'doctor',
];
/** What is shipped beside dist/, where it exists. */
const shipped = [
  'launch.mjs',
  'LICENSE',
  'README.md',
  'ARCHITECTURE.md',
  'SECURITY.md',
  'CHANGELOG.md',
  'docs',
  'deploy',
];

interface Manifest {
  readonly [key: string]: unknown;
  readonly version: string;
}

function run(command: string, args: readonly string[], cwd: string): string {
  const result = spawnSync(command, args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] });
  if (result.status !== 0) {
    process.stderr.write(result.stdout ?? '');
    throw new Error(`${command} ${args.join(' ')} failed`);
  }
  return result.stdout;
}

/** Files below a folder, relative to the project. */
function filesBelow(folder: string): string[] {
  return readdirSync(join(root, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1));
}

/** Compiles into `stage/dist` and copies what sources read at run time (presets, schemas) beside it. */
function compile(stage: string): void {
  const project = join(root, 'tsconfig.pack.json');
  const mains = readdirSync(root).filter((name) => name.endsWith('.ts'));
  const config = {
    extends: './tsconfig.json',
    compilerOptions: {
      noEmit: false,
      outDir: join(stage, 'dist'),
      rootDir: '.',
      sourceMap: false,
      declaration: false,
    },
    include: [...mains, ...folders.map((folder) => `${folder}/**/*.ts`)],
  };
  writeFileSync(project, JSON.stringify(config));
  try {
    run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', project], root);
  } finally {
    rmSync(project);
  }
  for (const file of folders.filter((folder) => existsSync(join(root, folder))).flatMap(filesBelow)) {
    if (file.endsWith('.ts')) continue;
    mkdirSync(dirname(join(stage, 'dist', file)), { recursive: true });
    cpSync(join(root, file), join(stage, 'dist', file));
  }
}

function stageFiles(stage: string): Manifest {
  compile(stage);
  for (const name of shipped) {
    // Sources among them (docs/generate.ts) would be compiled again from where they are staged.
    const filter = (path: string): boolean => !path.endsWith('.ts');
    if (existsSync(join(root, name)))
      cpSync(join(root, name), join(stage, name), { recursive: true, filter });
  }
  // Our own manifest: an object with a version.
  const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as Manifest;
  const { scripts: _scripts, devDependencies: _development, ...published } = manifest;
  writeFileSync(join(stage, 'package.json'), `${JSON.stringify(published, null, 2)}\n`);
  return manifest;
}

/** A stage for the image: production packages as the lockfile says, without a second interpreter. */
function installInto(stage: string): void {
  for (const name of ['package.json', 'package-lock.json', '.npmrc'])
    cpSync(join(root, name), join(stage, name));
  run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund'], stage);
  // koffi's own binary is optional too, so optional packages are installed; the image brings its interpreter.
  for (const name of readdirSync(join(stage, 'node_modules')).filter((name) =>
    name.startsWith('node-linux-'),
  )) {
    rmSync(join(stage, 'node_modules', name), { recursive: true });
  }
  rmSync(join(stage, 'node_modules', '.bin'), { recursive: true, force: true });
  for (const name of ['package-lock.json', '.npmrc']) rmSync(join(stage, name));
}

const { values } = parseArgs({ options: { stage: { type: 'string' }, out: { type: 'string' } } });
if (values.stage === undefined) {
  const stage = mkdtempSync(join(tmpdir(), 'sallyport-pack-'));
  try {
    stageFiles(stage);
    const file = run(
      'npm',
      ['pack', '--silent', '--pack-destination', resolve(values.out ?? root)],
      stage,
    ).trim();
    process.stdout.write(`${join(resolve(values.out ?? root), file)}\n`);
  } finally {
    rmSync(stage, { recursive: true, force: true });
  }
} else {
  const stage = resolve(values.stage);
  rmSync(stage, { recursive: true, force: true });
  mkdirSync(stage, { recursive: true });
  installInto(stage);
  stageFiles(stage);
  process.stdout.write(`${stage}\n`);
}
