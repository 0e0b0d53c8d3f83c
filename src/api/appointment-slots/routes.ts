import { z } from 'zod';
import { MAX_PER_TIMESLOT } from '../../commands/claims.ts';
import { MAX_SLOT_MINUTES } from '../../domain/slot.ts';
import {
  appointmentSlotShape,
  availableSlotShape,
  slotGroupShape,
  viewAppointmentSlot,
  viewAvailableSlot,
} from '../../views/slot.ts';
import { inInstitution } from '../context.ts';
import { boolean, id, integer, list, localDate, oneOf, optional, requiredList } from '../parameters.ts';
import { defineRoute, type Route } from '../route.ts';
import { answerSlots, type Question } from './slots.ts';

/** NexHealth discourages more than 14; a quarter is what a calendar can show and one answer can carry. */
const MAX_DAYS = 92;

const both = z.object({
  start_date: localDate(),
  days: integer(1, MAX_DAYS),
  lids: requiredList(id()),
  pids: list(id()),
  operatory_ids: list(id()),
  appointment_type_id: optional(id()),
  slot_length: optional(integer(1, MAX_SLOT_MINUTES)),
  slot_interval: optional(integer(1, MAX_SLOT_MINUTES)),
  overlapping_operatory_slots: optional(boolean()),
  explain: optional(boolean()),
});

const questionOf = (asked: z.output<typeof both>): Question => ({
  locationIds: asked.lids,
  providerIds: asked.pids ?? null,
  onlyOfType: false,
  onlyActive: false,
  operatoryIds: asked.operatory_ids ?? null,
  appointmentTypeId: asked.appointment_type_id ?? null,
  labelId: null,
  source: null,
  startDate: asked.start_date,
  days: asked.days,
  slotLengthMinutes: asked.slot_length ?? null,
  slotIntervalMinutes: asked.slot_interval ?? null,
  overlappingOperatorySlots: asked.overlapping_operatory_slots ?? false,
  appointmentsPerTimeslot: 1,
  explain: asked.explain ?? false,
});

const available = both
  .extend({
    working_hour_label_id: optional(id()).describe('Only hours that carry this label.'),
    working_hour_source: optional(oneOf(['manual', 'synced'])).describe(
      'Only hours stored here, or only those read from the health record system.',
    ),
    appointments_per_timeslot: optional(integer(1, MAX_PER_TIMESLOT)),
    only_active_providers: optional(boolean()).describe('Leave out providers that are inactive or do not work there.'),
  })
  // Asked even where other parameters are at fault, so that one answer names all that is missing.
  .refine((asked) => asked.pids?.length || asked.appointment_type_id, {
    path: ['pids or appointment_type_id'],
    when: () => true,
  });

/** Each path answers its own slots, whichever version is asked for: a client reads what its path has always answered. */
export const routes: Route[] = [
  defineRoute({
    method: 'GET',
    path: '/appointment_slots',
    summary: 'Bookable times of providers at locations',
    tag: 'Appointment slots',
    subdomain: 'required',
    params: both.extend({ category_id: optional(id()) }),
    answer: z.array(slotGroupShape(appointmentSlotShape).meta({ id: 'AppointmentSlots' })),
    handler: async (context, asked) => {
      const appointmentTypeId = asked.appointment_type_id ?? asked.category_id ?? null;
      const question = { ...questionOf(asked), appointmentTypeId };
      const groups = await inInstitution(context, (tx) => answerSlots(tx, context, question));
      return { data: groups.map((group) => ({ ...group, slots: group.slots.map(viewAppointmentSlot) })) };
    },
  }),
  defineRoute({
    method: 'GET',
    path: '/available_slots',
    summary: 'Bookable times of providers at locations, by provider or by appointment type',
    tag: 'Available slots',
    subdomain: 'required',
    params: available,
    answer: z.array(slotGroupShape(availableSlotShape).meta({ id: 'AvailableSlots' })),
    handler: async (context, asked) => {
      const question: Question = {
        ...questionOf(asked),
        providerIds: asked.pids?.length ? asked.pids : null,
        onlyOfType: !asked.pids?.length,
        onlyActive: asked.only_active_providers ?? false,
        labelId: asked.working_hour_label_id ?? null,
        source: asked.working_hour_source ?? null,
        appointmentsPerTimeslot: asked.appointments_per_timeslot ?? 1,
      };
      const groups = await inInstitution(context, (tx) => answerSlots(tx, context, question));
      return {
        data: groups.map((group) => ({ ...group, slots: group.slots.map((slot) => viewAvailableSlot(slot, group)) })),
      };
    },
  }),
];
