/** Who may speak for an institution, in the words of NexHealth's staff. */
import { z } from 'zod';

export interface StaffFacts {
  id: number;
  /** An API user has one name; NexHealth's staff are people and have two. */
  name: string;
  created_at: string;
  /** No key of it is left that works. */
  inactive: boolean;
  institution_id: number;
  location_ids: number[];
}

export const staffShape = z
  .object({
    id: z.int(),
    email: z.literal(''),
    first_name: z.string(),
    last_name: z.literal(''),
    created_at: z.iso.datetime(),
    updated_at: z.iso.datetime(),
    patientable: z.literal(false),
    inst_ids: z.array(z.int()),
    unsubscribe_emails: z.literal(true),
    inactive: z.boolean(),
    unsubscribe_sms: z.literal(true),
    location_ids: z.array(z.int()),
  })
  .meta({ id: 'Staff' });

/** Other institutions that the user speaks for are none of the caller's business. Nobody is sent any message. */
export function viewStaff(facts: StaffFacts): z.infer<typeof staffShape> {
  return {
    id: facts.id,
    email: '',
    first_name: facts.name,
    last_name: '',
    created_at: facts.created_at,
    updated_at: facts.created_at,
    patientable: false,
    inst_ids: [facts.institution_id],
    unsubscribe_emails: true,
    inactive: facts.inactive,
    unsubscribe_sms: true,
    location_ids: facts.location_ids,
  };
}
