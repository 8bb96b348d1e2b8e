/** Names whose values are secret. */

/** As the end of a longer name: `DB_PASSWORD`, `aws_secret_access_key`. */
export const secretName =
  "(?:pass(?:word|wort|wd|phrase|code)|kennwort|mot[_-]de[_-]passe|pwd|secret|token|credentials?|psk|pre-?shared-?(?:key|secret)|community|api[_-]?key" +
  "|access[_-]?key(?:[_-]?id)?|wep[_-]?key|[_-]pass|(?:user|admin|root|db|ssh|http|smtp|my)p(?:ass|w)|requirepass|masterauth|authtok|secret[_-]?key[_-]?base" +
  "|(?:client|secret|private|encryption|enc|signing|hmac|account|shared-?access|subscription|licen[cs]e|unlock|app|session|auth|master|storage)[ _-]?(?:key|secret|token)(?:[_-]?data)?)[0-9]?";
