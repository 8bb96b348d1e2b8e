/** The style of `README.html`: the reader's own fonts, light and dark by the reader's choice, readable on paper. */

/** CSS. */
export const style = `
:root { color-scheme: light dark; --back: #fff; --text: #1c2126; --quiet: #5c6770; --line: #d9dee3; --soft: #f4f6f8;
  --red: #b42318; --red-soft: #fdeceb; --amber: #8a5300; --amber-soft: #fdf3e0; --green: #1a6b3c; --green-soft: #e5f4ea;
  --link: #0b57a4; }
@media (prefers-color-scheme: dark) { :root { --back: #14181c; --text: #e4e8eb; --quiet: #98a3ad; --line: #2d353c;
  --soft: #1c2227; --red: #ff8a80; --red-soft: #3a1c1a; --amber: #f5bf6b; --amber-soft: #36290f; --green: #7fd6a0;
  --green-soft: #15301f; --link: #82bdf5; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--back); color: var(--text); font: 16px/1.5 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 1.5rem 1rem 4rem; }
h1 { font-size: 1.6rem; margin: 0; overflow-wrap: anywhere; }
h2 { font-size: 1.15rem; margin: 2rem 0 .6rem; }
h3 { font-size: 1rem; margin: 0; overflow-wrap: anywhere; }
p { margin: .4rem 0; }
a { color: var(--link); }
pre { font: 13px/1.45 ui-monospace, monospace; background: var(--soft); padding: .5rem .7rem; margin: .5rem 0; border-radius: 4px;
  white-space: pre-wrap; overflow-wrap: anywhere; max-height: 16rem; overflow: auto; }
.kind, .quiet, .hint, .node { color: var(--quiet); font-weight: normal; }
.hint { display: block; }
.state { font-size: .95rem; padding: .15rem .55rem; border-radius: 4px; vertical-align: middle; white-space: nowrap; }
.chips { display: flex; flex-wrap: wrap; gap: .5rem; margin-top: .7rem; }
.chip { padding: .2rem .7rem; border-radius: 4px; text-decoration: none; font-weight: 600; }
.good { background: var(--green-soft); color: var(--green); }
.bad, .chip.critical, .alarm { background: var(--red-soft); color: var(--red); }
.chip.info { background: var(--soft); color: var(--text); }
.chip.warning, .chip.lacking { background: var(--amber-soft); color: var(--amber); }
.short { margin: .8rem 0 0; padding-left: 1.4rem; }
.short a { text-decoration: none; }
.short a:hover { text-decoration: underline; }
.short .critical { color: var(--red); }
.short .warning { color: var(--amber); }
.alarm { padding: .6rem .8rem; font-weight: 600; border-radius: 4px; }
.rows { list-style: none; margin: 0; padding: 0; }
.rows li { padding: .45rem .7rem; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
.tag { font-size: .8rem; padding: .05rem .4rem; border-radius: 3px; background: var(--soft); color: var(--quiet); white-space: nowrap; }
.tag.error, .tag.timeout, .tag.dropped, .critical .tag { background: var(--red-soft); color: var(--red); }
.tag.denied, .tag.trimmed, .warning .tag { background: var(--amber-soft); color: var(--amber); }
.tag.ok { background: var(--green-soft); color: var(--green); }
article { border: 1px solid var(--line); border-left: 4px solid var(--line); border-radius: 4px; padding: .7rem .9rem; margin: 0 0 .7rem; }
article.critical { border-left-color: var(--red); }
article.warning { border-left-color: var(--amber); }
.source { font-size: .9rem; color: var(--quiet); }
details { border-bottom: 1px solid var(--line); }
summary { padding: .5rem 0; cursor: pointer; }
table { border-collapse: collapse; width: 100%; font-size: .9rem; margin-bottom: .8rem; }
td, th { text-align: left; vertical-align: top; padding: .2rem .6rem .2rem 0; overflow-wrap: anywhere; }
tr.head th, tr.head td { padding-top: .7rem; border-top: 1px solid var(--line); }
.number { text-align: right; white-space: nowrap; padding-right: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .25rem .8rem; margin: .8rem 0; }
dd { margin: 0; }
@media print { pre { max-height: none; } }
`;
