/** The health of one connection, as `GET /sync_status` rows and `sync_status_*_change` events show it. */
import { z } from 'zod';
import { type LocationBasic, locationBasicShape } from './location.ts';

export interface SyncStatusFacts {
  id: number;
  institution_id: number;
  name: string;
  kind: string;
  read_status: 'green' | 'red';
  read_status_at: string | null;
  write_status: 'green' | 'red';
  write_status_at: string | null;
  locations: LocationBasic[];
}

/** What is known of a kind of system; undefined for one that another build made and this one does not have. */
type KnownKind = { displayName: string; type: 'cloud' | 'onprem' } | undefined;

/** The system behind a connection; its id is the connection's. */
export const emrShape = z.object({
  id: z.int(),
  name: z.string(),
  display_name: z.string(),
  type: z.enum(['cloud', 'onprem']),
});

export const syncStatusShape = z
  .object({
    institution_id: z.int(),
    sync_source_type: z.string(),
    sync_source_name: z.string(),
    emr: emrShape,
    read_status: z.enum(['green', 'red']),
    read_status_at: z.iso.datetime().nullable(),
    write_status: z.enum(['green', 'red']),
    write_status_at: z.iso.datetime().nullable(),
    locations: z.array(locationBasicShape),
  })
  .meta({ id: 'SyncStatus' });

export type SyncStatusView = z.infer<typeof syncStatusShape>;

export function viewEmr(connectionId: number, kind: string, known: KnownKind): z.infer<typeof emrShape> {
  return { id: connectionId, name: kind, display_name: known?.displayName ?? kind, type: known?.type ?? 'onprem' };
}

export function viewSyncStatus(facts: SyncStatusFacts, known: KnownKind): SyncStatusView {
  return {
    institution_id: facts.institution_id,
    sync_source_type: 'DataSource',
    sync_source_name: facts.name,
    emr: viewEmr(facts.id, facts.kind, known),
    read_status: facts.read_status,
    read_status_at: facts.read_status_at,
    write_status: facts.write_status,
    write_status_at: facts.write_status_at,
    locations: facts.locations,
  };
}
