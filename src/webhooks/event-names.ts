/**
 * What can be subscribed to: NexHealth's events of every version, each with its resource type. Openchair makes only
 * some of them; clients subscribe to the rest too, and must not fail when they do.
 */
const EVENTS_OF: Record<string, readonly string[]> = {
  Adjustment: ['adjustment_created', 'adjustment_updated', 'adjustment_deleted', 'adjustment_insertion'],
  AdjustmentTransaction: ['adjustment_transaction_insertion'],
  AdjustmentType: ['adjustment_type_created', 'adjustment_type_updated'],
  Appointment: ['appointment_insertion', 'appointment_created', 'appointment_updated', 'appointment_requested'],
  Charge: ['charge_created', 'charge_updated', 'charge_deleted'],
  Claim: ['claim_created', 'claim_updated', 'claim_deleted'],
  Conversation: ['conversation_created', 'conversation_updated'],
  Document: ['document_insertion'],
  FeeSchedule: ['fee_schedule_created', 'fee_schedule_updated'],
  FormRequest: ['form_request_completed'],
  FormResponse: ['form_response_insertion'],
  MedicalHistory: ['medical_history_patient_items_updated'],
  Message: ['message_created', 'message_updated'],
  Onboarding: ['onboarding_created', 'onboarding_updated', 'onboarding_availability_ready'],
  Patient: ['patient_created', 'patient_updated'],
  PatientInsuranceCoverage: ['patient_insurance_created', 'patient_insurance_updated'],
  Payment: ['payment_created', 'payment_updated', 'payment_deleted', 'payment_insertion'],
  PaymentType: ['payment_type_created', 'payment_type_updated'],
  Procedure: ['procedure_created', 'procedure_updated'],
  ProcedureCode: ['procedure_code_created', 'procedure_code_updated', 'procedure_code_deleted'],
  Provider: ['provider_created', 'provider_updated'],
  SyncStatus: ['sync_status_read_change', 'sync_status_write_change'],
  TreatmentPlan: ['treatment_plan_created', 'treatment_plan_updated', 'treatment_plan_deleted'],
  WorkingHour: ['working_hour_created', 'working_hour_updated'],
};

export const RESOURCE_TYPES: readonly string[] = Object.keys(EVENTS_OF);
export const EVENTS: readonly string[] = Object.values(EVENTS_OF).flat();

/** The name in its own case: NexHealth's examples write `appointment`, its schema `Appointment`. */
export function findResourceType(text: string): string | undefined {
  const wanted = text.toLowerCase();
  return RESOURCE_TYPES.find((name) => name.toLowerCase() === wanted);
}

export function eventsOf(resourceType: string): readonly string[] {
  return EVENTS_OF[resourceType] ?? [];
}
