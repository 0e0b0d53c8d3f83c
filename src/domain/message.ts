/** Messages between an HRS and us that are kept as they were on the wire. */

/** A message as it was on the wire, with what must be known of it before anybody reads it. */
export interface WireMessage {
  body: Buffer;
  /** SHA-256 over what makes two messages the same one: a repetition is stored once. */
  digest: Buffer;
  /** The sender's own name for it, such as MSH-10; at most 200 characters. */
  controlId: string | null;
  /** What it is in the sender's words, such as `SIU^S12`; at most 100 characters. */
  type: string;
  /** What it is about, as the kind names it: ids only, at most 255 characters each. */
  appointmentRef: string | null;
  patientRef: string | null;
  /** When the sender says that it made it. */
  sentAt: string | null;
}

export interface StoredMessage extends WireMessage {
  /** Its place among the messages of the connection, in the order of their arrival. Some places are empty. */
  position: number;
  /** `out` is one of ours, kept because the HRS has acknowledged it. */
  direction: 'in' | 'out';
  storedAt: string;
}
