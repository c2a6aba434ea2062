/** The unit, read by systemd itself: nothing in it is unknown, it is as locked up as it says, and a stop has time to drain. */
import { afterAll, beforeAll, expect, test } from 'bun:test';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { POSTGRES_STOP_MS } from '../../src/supervisor/embedded-postgres.ts';
import { DRAIN_MS } from '../../src/supervisor/supervisor.ts';
import { REPOSITORY } from '../helpers/server.ts';

/** "OK" of systemd-analyze ends at 4.9 of 10; what this unit allows comes to 1.4 with systemd 252. */
const EXPOSURE_MAX = 2;
const asked = Bun.which('systemd-analyze') !== null || process.env.CI !== undefined;
const text = readFileSync(join(REPOSITORY, 'deploy', 'systemd', 'holdfast.service'), 'utf8');

let folder: string;
let unit: string;
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'holdfast-systemd-'));
  unit = join(folder, 'holdfast.service');
  // It is looked whether the program is there.
  writeFileSync(unit, text.replace('/usr/local/bin/bun', process.execPath));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function analyze(...args: string[]): { code: number; said: string } {
  const { exitCode, stdout, stderr } = Bun.spawnSync(['systemd-analyze', '--no-pager', ...args, unit]);
  return { code: exitCode, said: stdout.toString() + stderr.toString() };
}

test.if(asked)('systemd has nothing to say about it', () => {
  expect(analyze('verify', '--man=no')).toEqual({ code: 0, said: '' });
});

test.if(asked)(`its exposure is below ${EXPOSURE_MAX}`, () => {
  const { code, said } = analyze('security', '--offline=yes', `--threshold=${EXPOSURE_MAX * 10}`);
  expect(said).toContain('Overall exposure level');
  expect(code).toBe(0);
});

test('a stop has the time that a drain and the last checkpoint may take', () => {
  const seconds = Number(/^TimeoutStopSec=(\d+)$/m.exec(text)?.[1]);
  expect(seconds * 1000).toBeGreaterThan(DRAIN_MS + POSTGRES_STOP_MS);
  // Signals to all processes at once would not be a drain.
  expect(text).toMatch(/^KillMode=mixed$/m);
});
