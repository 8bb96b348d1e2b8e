/** What people see who have not shown a token yet. */
import { html } from "../page/html.ts";

/** A whole document in HTML. */
export function loginPage(problem?: string): string {
  return `<!doctype html>\n${html`
    <html lang="en">
      <head>
        <meta charset="utf-8">
        <title>agent: log in</title>
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <link rel="icon" href="/page.svg" type="image/svg+xml">
        <link rel="stylesheet" href="/page.css">
      </head>
      <body>
        <header>
          <h1>agent</h1>
        </header>
        <main id="main">
          <section aria-labelledby="login-title">
    <h2 id="login-title">Log in</h2>
    ${problem !== undefined && html`<p class="bad" role="alert">${problem}</p>`}
    <form method="post" action="/login">
    <label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
    <button type="submit">Log in</button>
    <p class="quiet">It is in the file that the key status.tokenFile of the configuration names.</p>
    </form></section>
        </main>
      </body>
    </html>
  `}`;
}
