/**
 * A whole server: workers and fronts, real but for what is outside of them, and whoever starts them again when they
 * have died.
 */
import { COMMIT_LANES } from '../../src/limits.ts';
import type { ClaimUnderWay } from '../../src/process.ts';
import { evenMap, type PartitionMap } from '../../src/routing/partition-map.ts';
import { wireOver } from '../../src/wire/link.ts';
import { type RunningWorker, runWorker } from '../../src/worker/worker.ts';
import type { Books } from './books.ts';
import { Front } from './front.ts';
import type { Network } from './network.ts';
import type { Postgres } from './postgres.ts';
import { Process } from './process.ts';
import type { Random } from './random.ts';
import type { World } from './world.ts';

const KEYS_MS = 24 * 3_600_000;
const RESTART_MS = { from: 10, to: 1500 };

/** What servers share. */
export interface Site {
  world: World;
  network: Network;
  postgres: Postgres;
  books: Books;
}

interface Seat<Occupant> {
  name: string;
  occupant: Occupant | undefined;
}

export interface Worker {
  process: Process;
  /** Once it serves. */
  running: RunningWorker | undefined;
  /** What it was told before it served. */
  orders: ((running: RunningWorker) => void)[];
}

export class Server {
  /** The newest one. */
  map: PartitionMap;
  /** Whoever is told to give up a partition, until it has or has died; one at a time. */
  private giving: Process | undefined;
  private readonly workers: Seat<Worker>[];
  private readonly fronts: Seat<Front>[];
  private isUp = true;
  private started = 0;
  private readonly random: Random;

  constructor(
    private readonly site: Site,
    readonly name: string,
    size: { partitions: number; workers: number; fronts: number },
  ) {
    this.random = site.world.random.fork(`server ${name}`);
    const seats = <T>(kind: string, count: number): Seat<T>[] =>
      Array.from({ length: count }, (_, i) => ({ name: `${name}.${kind}${i}`, occupant: undefined }));
    this.workers = seats('worker', size.workers);
    this.fronts = seats('front', size.fronts);
    this.map = evenMap(
      1,
      size.partitions,
      this.workers.map((seat) => seat.name),
    );
    for (const index of this.workers.keys()) this.startWorker(index);
    for (const index of this.fronts.keys()) this.startFront(index);
  }

  get size(): number {
    return this.workers.length;
  }
  get liveWorkers(): Worker[] {
    return this.workers.flatMap(({ occupant }) => (occupant?.process.alive ? [occupant] : []));
  }
  get liveFronts(): Front[] {
    return this.fronts.flatMap(({ occupant }) => (occupant?.process.alive ? [occupant] : []));
  }

  /** Kills everything, for good. */
  end(): void {
    this.isUp = false;
    for (const { process } of [...this.liveWorkers, ...this.liveFronts]) process.kill();
  }

  /** Starts another one in the place of a worker that may go on. */
  replace(worker: Worker): void {
    const index = this.workers.findIndex(({ occupant }) => occupant === worker);
    // One that owns nothing is fenced by nobody, and would answer in the place of the other for ever.
    if (!this.map.owner.includes(index)) worker.process.kill();
    else if (index >= 0) this.startWorker(index);
  }

  /** Moves a partition as a supervisor does; whoever dies meanwhile, its successor takes what the map says. */
  move(partition: number, to: number): void {
    const giver = this.workers[this.map.owner[partition]].occupant;
    if (giver?.running === undefined || giver === this.workers[to].occupant) return;
    if (!giver.process.alive || this.giving?.alive) return;
    this.giving = giver.process;
    this.site.world.note(this.name, `moves ${partition} to ${to}`);
    const { running } = giver;
    giver.process.deliver(() =>
      running.give([partition]).then((claims) => {
        this.giving = undefined;
        if (this.isUp && claims !== undefined) this.assign([partition], to, claims);
      }),
    );
  }

  /** Gives all that a worker has to another, which fences it. */
  takeOver(from: number, to: number): void {
    const partitions = [...this.map.owner.keys()].filter((one) => this.map.owner[one] === from);
    if (from === to || this.giving?.alive) return;
    this.site.world.note(this.name, `${to} takes over from ${from}`);
    this.workers[from].occupant?.process.kill();
    this.assign(partitions, to, []);
  }

  private assign(partitions: number[], to: number, claims: ClaimUnderWay[]): void {
    const owner = this.map.owner.map((before, one) => (partitions.includes(one) ? to : before));
    const map = { ...this.map, version: this.map.version + 1, owner };
    this.map = map;
    for (const front of this.liveFronts) front.adopt(map);
    for (const worker of this.liveWorkers) this.tell(worker, (running) => running.adopt(map));
    const taker = this.workers[to].occupant;
    if (taker?.process.alive) this.tell(taker, (running) => void running.take(partitions, claims));
  }

  private tell(worker: Worker, order: (running: RunningWorker) => void): void {
    const { process, running } = worker;
    if (running === undefined) worker.orders.push(order);
    else this.site.world.after(0, () => process.deliver(() => order(running)));
  }

  /** Lets a worker finish what it has, and then starts another. */
  restart(worker: Worker): void {
    const { process, running } = worker;
    if (running === undefined) return process.kill();
    this.site.world.note(process.name, 'drains');
    running.drain().then(
      () => process.kill(),
      (error) => this.site.world.fail(`crash: ${(error as Error).stack}`),
    );
  }

  private newProcess(seat: Seat<{ process: Process }>, startAgain: () => void): Process {
    const { world } = this.site;
    const process = new Process(world, `${seat.name}#${++this.started}`);
    process.onDeath(() => {
      const delay = this.random.magnitude(RESTART_MS.from, RESTART_MS.to);
      world.after(delay * 1000, () => {
        if (this.isUp && seat.occupant?.process === process) startAgain();
      });
    });
    return process;
  }

  private startFront(index: number): void {
    const seat = this.fronts[index];
    const process = this.newProcess(seat, () => this.startFront(index));
    seat.occupant = new Front(process, this.site.network, this.map);
  }

  private startWorker(index: number): void {
    const { world, network, postgres, books } = this.site;
    const seat = this.workers[index];
    const process = this.newProcess(seat, () => this.startWorker(index));
    const { clock } = process;
    const worker: Worker = { process, running: undefined, orders: [] };
    seat.occupant = worker;
    runWorker({
      worker: index,
      map: this.map,
      clock,
      stores: Array.from({ length: COMMIT_LANES }, () => postgres.commitStore(process)),
      reader: postgres.readStore(process),
      wire: wireOver(network.of(process), clock),
      searches: { receive: (_, answer) => answer({ kind: 'problem', code: 'search-too-slow' }) },
      keysMs: KEYS_MS,
      memoryBytes: () => 0,
      fail(reason, detail) {
        if (!process.alive) return;
        world.note(process.name, `${reason}: ${detail}`);
        if (reason === 'defect' || !books.isSuperseded(process))
          world.fail(`${process.name} ${reason}: ${detail}`);
        process.kill();
      },
    }).then(
      (running) => {
        worker.running = running;
        for (const order of worker.orders) order(running);
      },
      (error) => {
        world.note(process.name, `cannot start: ${error}`);
        if (error instanceof TypeError || error instanceof RangeError) world.fail(`crash: ${error.stack}`);
        process.kill();
      },
    );
  }
}
