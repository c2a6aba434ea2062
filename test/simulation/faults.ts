/**
 * What goes wrong. Each kind comes again and again, at random; which kinds, and how often, is drawn anew for each seed, since
 * a run in which everything goes wrong at once never gets to where some defects are.
 */
import type { Process } from './process.ts';
import type { Random } from './random.ts';
import { Server, type Site, type Worker } from './server.ts';

const KINDS = [
  'kill a worker',
  'kill a front',
  'kill a server',
  'cut the power',
  'stop a worker',
  'stop a front',
  'restart a worker',
  'move partitions',
  'take over from a worker',
  'kill postgres',
  'stall postgres',
  'slow postgres down',
  'end a session',
  'refuse commits',
  'break a link',
  'slow the network down',
  'move the clock',
  'start a rival',
  'lose an answer',
] as const;
export type FaultKind = (typeof KINDS)[number];

/** How many of the kinds a run has. */
const ENABLED = [0.15, 0.3, 0.6];
const EVERY_MS = { from: 2000, to: 60_000 };
const EFFECTS_MOST = 60;
/** How long a condition lasts, in milliseconds. */
const STOPPED = { from: 50, to: 30_000 };
const DOWN = { from: 20, to: 10_000 };
const STALLED = { from: 100, to: 20_000 };
const SLOW = { from: 200, to: 10_000 };
/** Shorter than a request may take. */
const HESITATION = { from: 500, to: 9000 };
const MOVED = { from: 1, to: 500 };
const RIVALRY = { from: 200, to: 15_000 };
const JUMP = { from: 100, to: 40_000 };

export class Faults {
  readonly counts: Partial<Record<FaultKind, number>> = {};
  private readonly random: Random;
  private readonly stopped = new Set<Process>();
  /** What may be interrupted yet. */
  private readonly targets = new Set<Process>();
  private over = false;
  private generation = 0;
  private servers: Server[];

  constructor(
    private readonly site: Site,
    private readonly partitions: number,
  ) {
    this.random = site.world.random.fork('faults');
    this.servers = [this.newServer()];
  }

  private newServer(): Server {
    const { random } = this;
    const size = { partitions: this.partitions, workers: random.between(1, 3), fronts: random.between(1, 3) };
    return new Server(this.site, 'abcdefghij'[this.generation++ % 10] + this.generation, size);
  }

  get liveServers(): readonly Server[] {
    return this.servers;
  }

  start(): void {
    const enabled = this.random.pick(ENABLED);
    for (const kind of KINDS) {
      if (!this.random.chance(enabled)) continue;
      const everyMs = this.random.magnitude(EVERY_MS.from, EVERY_MS.to);
      const next = (): void => {
        this.site.world.after(this.random.exponential(everyMs) * 1000, () => {
          if (this.over) return;
          this.strike(kind);
          next();
        });
      };
      next();
    }
  }

  /** Ends everything that is wrong, and leaves one server. */
  heal(): void {
    const { postgres, network } = this.site;
    this.over = true;
    for (const process of this.targets) process.spare();
    for (const process of this.stopped) process.continue();
    if (!postgres.up) postgres.start();
    postgres.stalledUntil = Math.min(postgres.stalledUntil, this.site.world.now);
    postgres.slowness = 1;
    postgres.refusing = 0;
    postgres.losing = 0;
    network.slowness = 1;
    const [last, ...others] = this.servers.toReversed();
    this.servers = [last];
    for (const server of others) server.end();
  }

  private strike(kind: FaultKind): void {
    const { world, postgres, network } = this.site;
    this.counts[kind] = (this.counts[kind] ?? 0) + 1;
    world.note('fault', kind);
    const server = this.random.pick(this.servers);
    const worker = this.pick(server.liveWorkers);
    const front = this.pick(server.liveFronts);
    switch (kind) {
      case 'kill a worker':
        return this.kill(worker?.process);
      case 'kill a front':
        return this.kill(front?.process);
      case 'kill a server':
        return this.killAll(server);
      case 'cut the power':
        for (const one of this.servers) this.killAll(one);
        return this.takeDown();
      case 'stop a worker':
        return worker && this.stopWorker(server, worker);
      case 'stop a front':
        return front && this.stopFront(server, front.process);
      case 'restart a worker':
        return worker && server.restart(worker);
      case 'move partitions':
        return this.move(server);
      case 'take over from a worker':
        return server.takeOver(
          this.random.between(0, server.size - 1),
          this.random.between(0, server.size - 1),
        );
      case 'kill postgres':
        return this.takeDown();
      case 'stall postgres':
        postgres.stalledUntil = world.now + this.random.magnitude(STALLED.from, STALLED.to) * 1000;
        return;
      case 'slow postgres down':
        postgres.slowness = this.random.magnitude(2, 100);
        return this.later(SLOW, () => {
          postgres.slowness = 1;
        });
      case 'end a session':
        return postgres.breakOne();
      case 'refuse commits':
        postgres.refusing = this.random.unit();
        return this.later(SLOW, () => {
          postgres.refusing = 0;
        });
      case 'break a link':
        return network.breakOne();
      case 'slow the network down':
        network.slowness = this.random.magnitude(3, 1000);
        return this.later(SLOW, () => {
          network.slowness = 1;
        });
      case 'move the clock':
        return world.jump(Math.round(this.random.magnitude(JUMP.from, JUMP.to)));
      case 'start a rival':
        return this.rival();
      case 'lose an answer':
        postgres.losing++;
        return;
    }
  }

  private pick<T>(from: T[]): T | undefined {
    return from.length === 0 ? undefined : this.random.pick(from);
  }

  private later({ from, to }: { from: number; to: number }, run: () => void): void {
    this.site.world.after(this.random.magnitude(from, to) * 1000, () => {
      if (!this.over) run();
    });
  }

  /** Now, or in the middle of what it will do next. */
  private kill(process: Process | undefined): void {
    if (process === undefined) return;
    if (this.random.chance(0.3)) process.kill();
    else this.interrupt(process, () => process.kill());
  }

  private killAll(server: Server): void {
    for (const { process } of [...server.liveWorkers, ...server.liveFronts]) process.kill();
  }

  private interrupt(process: Process, run: () => void): void {
    this.targets.add(process);
    process.before(this.random.between(1, EFFECTS_MOST), run);
  }

  private stop(process: Process, ms = STOPPED): void {
    this.interrupt(process, () => {
      process.stop();
      this.stopped.add(process);
      this.later(ms, () => {
        this.stopped.delete(process);
        process.continue();
      });
    });
  }

  /** Whoever watches over it may take it for dead, and start another: then it wakes up to find its partitions taken. */
  private stopWorker(server: Server, worker: Worker): void {
    this.stop(worker.process);
    if (this.random.chance(0.6)) this.later(SLOW, () => server.replace(worker));
  }

  /** Some, one after the other, and perhaps somebody dies in the middle of it. */
  private move(server: Server): void {
    const { random } = this;
    for (let moves = random.between(1, 8); moves > 0; moves--)
      this.later(MOVED, () =>
        server.move(random.between(0, this.partitions - 1), random.between(0, server.size - 1)),
      );
    if (random.chance(0.3)) this.later(MOVED, () => this.kill(this.pick(server.liveWorkers)?.process));
  }

  /** While it stands still with half of an order, workers may die and come back, and ask what became of it. */
  private stopFront(server: Server, front: Process): void {
    if (this.random.chance(0.5)) return this.stop(front);
    this.stop(front, HESITATION);
    for (let kills = this.random.between(1, 4); kills > 0; kills--)
      this.later(HESITATION, () => this.pick(server.liveWorkers)?.process.kill());
  }

  private takeDown(): void {
    const { postgres } = this.site;
    if (!postgres.up) return;
    postgres.crash();
    this.later(DOWN, () => {
      if (!postgres.up) postgres.start();
    });
  }

  /** Another server at the same database; in the end one of them is left. */
  private rival(): void {
    if (this.servers.length > 1) return;
    this.servers.push(this.newServer());
    this.later(RIVALRY, () => {
      const loser = this.random.pick(this.servers);
      this.servers = this.servers.filter((server) => server !== loser);
      loser.end();
    });
  }
}
