import { expect, test } from 'bun:test';
import { Gate } from '../../src/front/gate.ts';

test('lets through what there is room for, and those that wait in the order of their coming', async () => {
  const gate = new Gate(10);
  const entered: string[] = [];
  const enter = (name: string, size: number) => void gate.enter(size).then(() => entered.push(name));
  enter('a', 6);
  enter('b', 4);
  enter('c', 5);
  enter('d', 1);
  await Promise.resolve();
  expect(entered).toEqual(['a', 'b']);
  expect(gate.tryEnter(1)).toBe(false);
  gate.leave(4);
  await Promise.resolve();
  // The small one that came later does not overtake.
  expect(entered).toEqual(['a', 'b']);
  expect(gate.tryEnter(1)).toBe(false);
  gate.leave(6);
  await Promise.resolve();
  expect(entered).toEqual(['a', 'b', 'c', 'd']);
  expect([gate.tryEnter(5), gate.tryEnter(4), gate.tryEnter(1)]).toEqual([false, true, false]);
});
