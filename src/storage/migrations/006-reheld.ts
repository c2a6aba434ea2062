/**
 * From the id under which units were taken again to the reservation that they were taken for, which is the one that
 * callers know. Only a reservation that was confirmed after its expiry is in the index; the others pay nothing for it.
 */
export const sql = `
create index reservation_by_reheld on reservation (reheld_as, id) where reheld_as is not null;
`;
