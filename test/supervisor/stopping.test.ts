/** Whoever is told to stop, in whatever way, everything drains and nothing is left running. */
import { expect, test } from 'bun:test';
import { freePorts, makeHome, processesOf, REPOSITORY, startServer, until } from '../helpers/server.ts';

const SLOW_MS = 60_000;
const viaPackageScript = [process.execPath, 'run', 'start'];

test.each([
  ['TERM to the process that `bun run start` is', 'SIGTERM', 'process'],
  ['TERM to its process group', 'SIGTERM', 'group'],
  ['INT to its process group, as Ctrl-C in a terminal sends it', 'SIGINT', 'group'],
  ['HUP to its process group, as a closed terminal sends it', 'SIGHUP', 'group'],
] as const)(
  '%s',
  async (_, signal, whom) => {
    const home = await makeHome();
    const server = await startServer({ home, command: viaPackageScript });
    try {
      process.kill(whom === 'group' ? -server.pid : server.pid, signal);
      const code = await server.exited;
      await until(
        () => processesOf(home.dataDir).length === 0,
        // `bun run` itself does not survive a closed terminal, so it may end before what it started.
        signal === 'SIGHUP' ? 5000 : 0,
        () => JSON.stringify(processesOf(home.dataDir)),
      );
      if (signal !== 'SIGHUP') expect(code).toBe(0);
      expect(server.output()).not.toContain('"level":"error"');
    } finally {
      await server.kill9();
      await home.remove();
    }
  },
  SLOW_MS,
);

test.each([
  ['KILL to the process that `bun run start` is', viaPackageScript, 'SIGKILL'],
  // The way npx does it: npm ends the shell under it, and nobody tells what runs under that.
  [
    'TERM to a launcher that is npx',
    ['sh', '-c', 'npm_command=exec "$0" run start; true', process.execPath],
    'SIGTERM',
  ],
] as const)(
  '%s, which passes nothing on',
  async (_, command, signal) => {
    const home = await makeHome();
    const server = await startServer({ home, command: [...command] });
    try {
      process.kill(server.pid, signal);
      await until(
        () => processesOf(home.dataDir).length === 0,
        5000,
        () => JSON.stringify(processesOf(home.dataDir)),
      );
    } finally {
      await server.kill9();
      await home.remove();
    }
  },
  SLOW_MS,
);

test(
  'a signal at any moment of the start',
  async () => {
    const home = await makeHome();
    try {
      for (let afterMs = 300; afterMs <= 1500; afterMs += 150) {
        const child = Bun.spawn([process.execPath, 'src/start.ts', 'serve'], {
          cwd: REPOSITORY,
          env: {
            ...process.env,
            HOLDFAST_DATA_DIR: home.dataDir,
            DATABASE_URL: home.databaseUrl,
            PORT: String(await freePorts(4)),
          },
          stdio: ['ignore', 'ignore', 'pipe'],
        });
        await Bun.sleep(afterMs);
        child.kill('SIGTERM');
        const [code, stderr] = await Promise.all([child.exited, new Response(child.stderr).text()]);
        expect([afterMs, code, stderr]).toEqual([afterMs, 0, expect.not.stringContaining('"level":"error"')]);
        expect([afterMs, processesOf(home.dataDir)]).toEqual([afterMs, []]);
      }
    } finally {
      await home.remove();
    }
  },
  SLOW_MS,
);

test(
  'several fronts and workers',
  async () => {
    const server = await startServer({ env: { HOLDFAST_FRONTS: '2', HOLDFAST_WORKERS: '2' } });
    expect(server.frontPids().length).toBe(2);
    expect(server.workerPids().length).toBe(2);
    expect((await fetch(`http://127.0.0.1:${server.port + 1}/readyz`)).status).toBe(200);
    await server.stop();
  },
  SLOW_MS,
);

test(
  'a second signal, where a process hangs',
  async () => {
    const home = await makeHome();
    const server = await startServer({ home });
    try {
      process.kill(server.workerPids()[0], 'SIGSTOP');
      process.kill(server.pid, 'SIGTERM');
      await Bun.sleep(1200);
      expect(processesOf(home.dataDir)).not.toEqual([]);
      process.kill(server.pid, 'SIGTERM');
      expect(await server.exited).toBe(1);
      expect(processesOf(home.dataDir)).toEqual([]);
    } finally {
      await server.kill9();
      await home.remove();
    }
  },
  SLOW_MS,
);
