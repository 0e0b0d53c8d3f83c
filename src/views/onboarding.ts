/** An onboarding as clients read it: the same in both versions. */
import { z } from 'zod';
import type { OnboardingRow } from '../store/schema.ts';

export interface OnboardingFacts
  extends Pick<OnboardingRow, 'hashid' | 'status' | 'url' | 'url_expires_at' | 'availability_ready_at' | 'created_at'> {
  subdomain: string;
  /** The first location with hours, once there is one. */
  location_id: number | null;
  appointment_type_ids: number[];
}

export const onboardingShape = z
  .object({
    id: z.string(),
    created_at: z.iso.datetime(),
    subdomain: z.string().nullable(),
    url: z.string(),
    url_expires_at: z.iso.datetime(),
    status: z.enum(['in_progress', 'complete', 'failed']),
    booking_params: z.object({ location_id: z.int(), appointment_type_ids: z.array(z.int()) }).nullable(),
    availability_ready_at: z.iso.datetime().nullable(),
  })
  .meta({ id: 'Onboarding' });

export function viewOnboarding(facts: OnboardingFacts): z.infer<typeof onboardingShape> {
  return {
    id: facts.hashid,
    created_at: facts.created_at,
    subdomain: facts.subdomain,
    url: facts.url,
    url_expires_at: facts.url_expires_at,
    status: facts.status,
    booking_params:
      facts.location_id === null
        ? null
        : { location_id: facts.location_id, appointment_type_ids: facts.appointment_type_ids },
    availability_ready_at: facts.availability_ready_at,
  };
}
