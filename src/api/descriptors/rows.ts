import type { Tx } from '../../store/database.ts';

/** Rows of `descriptor` with the names that their view needs, by id; the caller adds its conditions. */
export function selectDescriptors(tx: Tx, descriptorType: string | undefined) {
  const query = tx
    .selectFrom('descriptor')
    .leftJoin('connection', 'connection.id', 'descriptor.connection_id')
    .selectAll('descriptor')
    .select('connection.kind as connection_kind')
    .orderBy('descriptor.id');
  // Both the singular and the plural are in NexHealth's documents.
  const singular = descriptorType?.replace(/s$/, '');
  return singular === undefined ? query : query.where('descriptor.descriptor_type', '=', singular);
}
