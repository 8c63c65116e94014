/** How a command ends, for scripts. `docs/cli.md` has the same table; a test holds the two equal. */
export const exitCodes = {
  /** It did what it was asked to. */
  done: 0,
  /** It looked and found something wrong: a row that would not load, a problem of the setup, a call that failed. */
  found: 1,
  /** It was asked something that cannot be: an unknown option, a missing argument, a configuration that is not there. */
  usage: 2,
  /** The store could not be reached, or somebody else owns it. Trying again later may help. */
  unavailable: 3,
  /** It was about to destroy something and nobody said yes. Nothing was changed. */
  declined: 4,
  /** A fault of the command line itself, printed with its stack. */
  fault: 5,
} as const;

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes];
