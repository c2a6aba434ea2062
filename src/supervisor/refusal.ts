/** Why the server can't start; the message is one line for an operator. */
export class StartRefused extends Error {}
