/**
 * Finding reservations by the caller's reference, newest first. Only the home's row is in the index, and only
 * where there is a reference: what has none pays nothing for it.
 */
export const sql = `
create index reservation_by_reference on reservation (reference, id)
 where reference is not null and home = partition;
`;
