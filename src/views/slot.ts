/** Slots as v2's path shows them, and as v3.0.0's does: with their provider and the label of their hours. */
import { z } from 'zod';
import { EXPLANATION_REASONS } from '../domain/explanation.ts';
import type { Slot, SlotGroup } from '../domain/slot.ts';

export const appointmentSlotShape = z
  .object({ time: z.string(), end_time: z.string(), operatory_id: z.int().optional() })
  .meta({ id: 'AppointmentSlot' });

/** NexHealth documents `provider_id` here, and clients find it on the group only. */
export const availableSlotShape = appointmentSlotShape
  .extend({ provider_id: z.int(), working_hour_label_id: z.int().nullable() })
  .meta({ id: 'AvailableSlot' });

/** One group of an answer, its slots in that shape. */
export const slotGroupShape = <T extends z.ZodType>(slot: T) =>
  z.object({
    lid: z.int(),
    pid: z.int(),
    operatory_id: z.int().nullable().optional(),
    slots: z.array(slot),
    next_available_date: z.iso.date().nullable(),
    as_of: z.iso.datetime().nullable().describe('When this location was last read from its health record system.'),
    explained: z
      .array(z.object({ from: z.string(), to: z.string(), reason: z.enum(EXPLANATION_REASONS) }))
      .optional()
      .describe('With explain=true: why the rest of the window is not offered.'),
  });

type AppointmentSlotView = z.infer<typeof appointmentSlotShape>;
type AvailableSlotView = z.infer<typeof availableSlotShape>;

/** Slots under no label, nearly all there are, pass as they are. */
export function viewAppointmentSlot(slot: Slot): AppointmentSlotView {
  if (slot.label_id === undefined) return slot;
  const { label_id: _, ...rest } = slot;
  return rest;
}

export function viewAvailableSlot({ label_id, ...slot }: Slot, { pid }: Pick<SlotGroup, 'pid'>): AvailableSlotView {
  return { ...slot, provider_id: pid, working_hour_label_id: label_id ?? null };
}
