/**
 * How long answers took, in bounded memory however many there are: a histogram whose buckets grow by one per
 * cent, so a percentile is right to half a per cent. Histograms of several processes add up.
 */
const SMALLEST_MS = 0.001;
const LOG_GROWTH = Math.log(1.01);

export class Latencies {
  private total = 0;

  /** @param counts answers by bucket, as another process has sent them */
  constructor(readonly counts: number[] = []) {
    for (const count of counts) this.total += count ?? 0;
  }

  record(ms: number): void {
    const bucket = ms <= SMALLEST_MS ? 0 : Math.ceil(Math.log(ms / SMALLEST_MS) / LOG_GROWTH);
    while (this.counts.length <= bucket) this.counts.push(0);
    this.counts[bucket]++;
    this.total++;
  }

  /** @returns the time in which this share of the answers came; 0 when there were none */
  percentileMs(share: number): number {
    let left = Math.max(1, Math.ceil(this.total * share));
    for (const [bucket, count] of this.counts.entries()) {
      left -= count;
      if (left <= 0) return SMALLEST_MS * Math.exp(LOG_GROWTH * (bucket - 0.5));
    }
    return 0;
  }

  static sum(histograms: Latencies[]): Latencies {
    const buckets = Math.max(0, ...histograms.map(({ counts }) => counts.length));
    return new Latencies(
      Array.from({ length: buckets }, (_, bucket) =>
        histograms.reduce((total, { counts }) => total + (counts[bucket] ?? 0), 0),
      ),
    );
  }
}
