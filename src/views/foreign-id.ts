/**
 * NexHealth writes `msg-<system>-<source type>-<source id>`, and `nex` for what the HRS does not have yet.
 */
export function foreignIdType(row: {
  foreign_id: string | null;
  connection_id: number | null;
  connection_kind: string | null;
}): string {
  return row.foreign_id === null || row.connection_kind === null
    ? 'nex'
    : `msg-${row.connection_kind}-DataSource-${row.connection_id}`;
}
