import { expect, test } from 'bun:test';
import { GATHER_WAIT_MS } from '../../src/limits.ts';
import type { ProcessMetrics } from '../../src/process.ts';
import { Asking } from '../../src/supervisor/gathering.ts';

test('those that ask together ask the supervisor once, and all are answered', async () => {
  let asked = 0;
  const asking = new Asking('front 0', () => void asked++);
  const answer: ProcessMetrics[] = [{ process: 'supervisor', families: [] }];
  const all = [asking.gather(), asking.gather(), asking.gather()];
  expect(asked).toBe(1);
  asking.answered(answer);
  expect(await Promise.all(all)).toEqual([answer, answer, answer]);
  const next = asking.gather();
  expect(asked).toBe(2);
  asking.answered(answer);
  await next;
});

test('without an answer there is the process itself, and a supervisor that is not up', async () => {
  const asking = new Asking('front 0', () => {});
  const started = performance.now();
  const [supervisor, own, ...more] = await asking.gather();
  expect(performance.now() - started).toBeWithin(GATHER_WAIT_MS - 50, GATHER_WAIT_MS + 2000);
  expect(more).toEqual([]);
  expect(supervisor).toEqual({ process: 'supervisor' });
  expect(own).toEqual({ process: 'front 0', pid: process.pid, families: expect.any(Array) });
});
