/** The short form in which one person stands inside the answer about another: a guarantor, a child, a provider. */
import { z } from 'zod';

export const userShape = z
  .object({
    id: z.int(),
    email: z.string().nullable(),
    first_name: z.string(),
    middle_name: z.string().nullable(),
    last_name: z.string(),
    name: z.string(),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    institution_id: z.int(),
    foreign_id: z.string().nullable(),
    foreign_id_type: z.string(),
    bio: z.record(z.string(), z.union([z.string(), z.boolean(), z.null()])),
    inactive: z.boolean(),
    last_sync_time: z.iso.datetime().nullable(),
  })
  .meta({ id: 'User' });

export type UserView = z.infer<typeof userShape>;

/** The short form of a patient's or a provider's view. */
export function viewUser(person: UserView): UserView {
  return {
    id: person.id,
    email: person.email,
    first_name: person.first_name,
    middle_name: person.middle_name,
    last_name: person.last_name,
    name: person.name,
    created_at: person.created_at,
    updated_at: person.updated_at,
    institution_id: person.institution_id,
    foreign_id: person.foreign_id,
    foreign_id_type: person.foreign_id_type,
    bio: person.bio,
    inactive: person.inactive,
    last_sync_time: person.last_sync_time,
  };
}
