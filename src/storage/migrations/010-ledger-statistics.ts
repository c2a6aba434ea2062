/**
 * No statistics of what pages of the ledger list, as nothing is found by it. ANALYZE, which comes by itself where a table grows, counted
 * what 30,000 of these lists consist of (array_typanalyze in Postgres' array_typanalyze.c): half a core of a server under load, for
 * seconds each minute. Those that a database has already stay as they are; nothing of a commit or a page is planned by them.
 */
export const sql = `
alter table ledger_page
  alter partitions set statistics 0, alter seqs set statistics 0, alter levels set statistics 0, alter previous set statistics 0,
  alter kinds set statistics 0, alter on_hand_deltas set statistics 0, alter reserved_deltas set statistics 0,
  alter reservations set statistics 0, alter reasons set statistics 0, alter reference_texts set statistics 0;
`;
