/**
 * All chance in a simulation comes from here: xoshiro128** (Blackman and Vigna, "Scrambled linear
 * pseudorandom number generators", 2021), seeded from a text. Each part of the world has a stream of its own,
 * so that drawing once more in one does not change what happens in all others.
 */
export class Random {
  private readonly state = new Uint32Array(4);

  constructor(private readonly seed: string) {
    let hash = 0x811c9dc5;
    for (let word = 0; word < 4; word++) {
      for (let i = 0; i < seed.length; i++) hash = Math.imul(hash ^ seed.charCodeAt(i), 0x01000193);
      hash = Math.imul(hash ^ (hash >>> 15), 0x2c1b3c6d) ^ (word + 1);
      this.state[word] = hash;
    }
  }

  /** A stream of its own. */
  fork(name: string): Random {
    return new Random(`${this.seed}/${name}`);
  }

  private bits(): number {
    const { state } = this;
    const scrambled = Math.imul(rotate(Math.imul(state[1], 5), 7), 9) >>> 0;
    const shifted = state[1] << 9;
    state[2] ^= state[0];
    state[3] ^= state[1];
    state[1] ^= state[2];
    state[0] ^= state[3];
    state[2] ^= shifted;
    state[3] = rotate(state[3], 11);
    return scrambled;
  }

  /** From 0 to 1, without 1. */
  unit(): number {
    return this.bits() / 2 ** 32;
  }
  /** An integer from `from` to `to`, with both. */
  between(from: number, to: number): number {
    return from + Math.floor(this.unit() * (to - from + 1));
  }
  chance(probability: number): boolean {
    return this.unit() < probability;
  }
  pick<T>(from: readonly T[]): T {
    return from[Math.floor(this.unit() * from.length)];
  }
  /** A waiting time: mostly short, sometimes several times the mean. */
  exponential(mean: number): number {
    return -Math.log(1 - this.unit()) * mean;
  }
  /** Between `from` and `to`, each order of magnitude as likely as any other. */
  magnitude(from: number, to: number): number {
    return from * (to / from) ** this.unit();
  }
  fill(bytes: Uint8Array): void {
    for (let i = 0; i < bytes.length; i++) bytes[i] = this.bits() >>> 24;
  }
}

function rotate(value: number, by: number): number {
  return (value << by) | (value >>> (32 - by));
}
