/**
 * What every package script runs: brings node_modules to what bun.lock says, then goes on to the
 * command. It imports nothing from node_modules, so it also works on a fresh clone.
 *
 * What was installed is remembered as a hash of bun.lock within node_modules: modification times say
 * nothing after a checkout.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dir, '..');
const stamp = join(root, 'node_modules', '.holdfast-installed');
const SAY_AFTER_MS = 1000;

if (!existsSync(join(root, 'bun.lock')))
  fail('bun.lock is missing: this is not a whole copy of the repository');
const locked = new Bun.CryptoHasher('sha256').update(readFileSync(join(root, 'bun.lock'))).digest('hex');
if (installed() !== locked) await install();

const [command, ...rest] = process.argv.slice(2);
// Two files at a time: each starts servers of several processes.
if (command === 'test') process.exit(await run('test', '--parallel=2', ...rest));
else if (command === 'simulate')
  process.exit(await run(join(root, 'test', 'simulation', 'main.ts'), ...rest));
else if (command === 'soak') process.exit(await run(join(root, 'bench', 'soak', 'main.ts'), ...rest));
else await import('./main.ts');

function installed(): string | undefined {
  return existsSync(stamp) ? readFileSync(stamp, 'utf8') : undefined;
}

async function install(): Promise<void> {
  const saying = setTimeout(() => console.error('installing dependencies …'), SAY_AFTER_MS);
  const child = Bun.spawn([process.execPath, 'install', '--frozen-lockfile'], {
    cwd: root,
    stdin: 'ignore',
    stdout: 'pipe',
    stderr: 'pipe',
  });
  const [code, ...output] = await Promise.all([
    child.exited,
    new Response(child.stdout).text(),
    new Response(child.stderr).text(),
  ]);
  clearTimeout(saying);
  if (code !== 0) fail(`the dependencies could not be installed:\n${output.join('').trim()}`);
  try {
    writeFileSync(stamp, locked);
  } catch {
    // A node_modules that can't be written, as in an image: each start checks it anew, and finds it whole.
  }
}

/** Runs Bun with these arguments in the repository; signals that arrive meanwhile are the child's to act on. */
async function run(...args: string[]): Promise<number> {
  const child = Bun.spawn([process.execPath, ...args], {
    cwd: root,
    stdio: ['inherit', 'inherit', 'inherit'],
  });
  process.on('SIGINT', () => {});
  process.on('SIGTERM', () => child.kill('SIGTERM'));
  return await child.exited;
}

function fail(message: string): never {
  console.error(`holdfast: ${message}`);
  process.exit(1);
}
