/** Keeps passwords out of what is printed, whoever wrote the message. */

/** A text in which the passwords of URLs are three asterisks; rather one too many than one too few. */
export function withoutPasswords(text: string): string {
  return text
    .replaceAll(/([a-z][a-z\d+.-]*:\/\/[^\s:@/?#]*):[^\s@/]*(?:\/[^\s@/]*)*@/gi, "$1:***@")
    .replaceAll(/([?&]password=)[^&\s"'#]*/gi, "$1***");
}
