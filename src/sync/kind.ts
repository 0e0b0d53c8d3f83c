import type { HrsRecord } from '../domain/records.ts';
import type { IncomingValues, MirrorTable, StoredRow } from '../store/mirror.ts';

/** What becomes of one kind of record: its table, and which field goes into which column. */
export interface KindOf<R extends HrsRecord> {
  mirror: MirrorTable;
  values(record: R): IncomingValues;
  /** Why this record cannot be a row, or null. What it says reaches the log, so it names fields and no values. */
  problem?(record: R): string | null;
  /** Columns of which this record says nothing: in a row that is there already they stay as they are. */
  unsaid?(record: R): readonly string[];
  /** Fills in what the HRS is silent on, given the row as it is now (null: there is none). */
  complete?(values: Record<string, unknown>, old: StoredRow | null, nowIso: string): Record<string, unknown>;
  /** The row is gone, or may be, and the HRS has a record under its id: is this another thing altogether? */
  isAnother?(values: Record<string, unknown>, old: StoredRow, gone: boolean): boolean;
}
