/**
 * Idempotency-Keys by both partitions that know them: the one that has decided, and, within it, the one that claims. Which one
 * claims a key follows from the key, so that the three columns are as unique as the two were. A row has the
 * same one entry, of the same size, and a partition that is loaded finds the keys that it claims in as many ranges as there
 * are partitions, rather than by reading all keys; a second index would cost each commit.
 */
export const sql = `
alter table idempotency_key
  drop constraint idempotency_key_pkey,
  add primary key (partition, key_partition, key);
`;
