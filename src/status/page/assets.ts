/** What the page loads beside itself: style, script and icon, as texts of the program. */
import icon from "./icon.svg" with { type: "text" };
import style from "./page.css" with { type: "text" };
import script from "./page.js" with { type: "text" };

/** A file of the page. */
export interface PageAsset {
  readonly contentType: string;
  readonly body: string;
}

/** The files by path. They change with the program alone: an ETag made of the body serves. */
export const pageAssets: Readonly<Record<string, PageAsset>> = {
  "/page.css": { contentType: "text/css; charset=utf-8", body: style },
  "/page.js": { contentType: "text/javascript; charset=utf-8", body: script },
  "/page.svg": { contentType: "image/svg+xml", body: icon },
};
