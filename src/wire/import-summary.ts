/** What became of an import: what is remembered of it under its Idempotency-Key. */
export interface ImportSummary {
  /** Of the file: 32 hexadecimal digits, the first 128 bits of its SHA-256. */
  digest: string;
  accepted: number;
  unchanged: number;
  rejected: number;
  /** The first FAULTS_MAX that were found. */
  errors: RowError[];
}

/** What is wrong with a line of an import. */
export interface RowError {
  line: number;
  code: string;
  detail: string;
}
