/** What a batch is told to write down. */

/** Why a level was changed by hand. */
export interface Note {
  reason: string;
  reference?: string;
}

/** A reservation's row, when it is inserted. */
export interface NewReservation {
  partition: number;
  status: 'held' | 'never';
  id: string;
  home: number;
  createdAt: number;
  expiresAt: number;
  reference?: string;
  participants: readonly number[];
  /** (line, level, quantity) repeated, as an array literal. */
  lines: string;
}

/** The same of one that is line 0 and of one level. */
export type NewHold = Pick<NewReservation, 'id' | 'createdAt' | 'expiresAt' | 'reference'>;

/** A status that is also the kind of an entry in the ledger. */
export type Closing = 'confirmed' | 'cancelled' | 'expired' | 'never';

/** What a change of a reservation's row writes. */
export interface Amendment {
  status: string;
  expiresAt: number;
  /** Units of each line, as an array literal. */
  sold: string | null;
  /** The id under which its units were taken again. */
  reheldAs?: string;
}
