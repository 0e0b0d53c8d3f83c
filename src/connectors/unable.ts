/** What an HRS cannot do, found before anything is sent. */
import type { Capabilities, Write, WriteResult } from './connector.ts';

/**
 * The refusal of a write that is outside `capabilities`, or null for one that may be tried. Every kind asks this
 * before its first request, so that what it claims and what it does cannot differ.
 */
export function findUnable(capabilities: Capabilities, write: Write): WriteResult | null {
  const missing = missingFor(capabilities, write);
  if (missing === null) return null;
  const message = `this kind of HRS takes no ${missing}`;
  return { outcome: 'refused', reason: 'not_supported', message, retryable: false, hrsSaid: null };
}

function missingFor(capabilities: Capabilities, write: Write): string | null {
  switch (write.kind) {
    case 'create_patient':
      return capabilities.createPatient ? null : 'new patients';
    case 'create_appointment': {
      const { unavailable, appointmentsPerTimeslot } = write.appointment;
      if (unavailable) return capabilities.createBlock ? null : 'blocks';
      if (!capabilities.createAppointment) return 'new appointments';
      return missingSeats(capabilities, appointmentsPerTimeslot);
    }
    case 'confirm':
      return capabilities.confirm ? null : 'confirmations';
    case 'cancel':
      return capabilities.cancel ? null : 'cancellations';
    case 'check_in':
      return capabilities.checkIn ? null : 'time of arrival';
    case 'update': {
      const { startAt, endAt, operatoryForeignId, note } = write.changes;
      if ((startAt !== undefined || endAt !== undefined) && !capabilities.reschedule) return 'other time';
      if (operatoryForeignId !== undefined && !capabilities.changeOperatory) return 'other operatory';
      if (note !== undefined && !capabilities.changeNote) return 'other note';
      return missingSeats(capabilities, write.appointmentsPerTimeslot);
    }
    case 'create_alert':
      return capabilities.createAlert ? null : 'new alerts';
    case 'change_alert':
      return capabilities.changeAlert ? null : 'change of an alert';
  }
}

function missingSeats(capabilities: Capabilities, wanted: number): string | null {
  return wanted > capabilities.appointmentsPerTimeslot ? `${wanted} appointments of a provider at one time` : null;
}
