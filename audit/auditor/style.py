"""The style of the evidence bundle's report: light, dark, narrow and printed."""

from __future__ import annotations

from typing import Final

# A report is read where there is no network, in ten years: nothing is fetched, and each rule falls back to something
# that can be read. Texts have a contrast of 4.5 and marks one of 3 in both schemes (tests/browser).
CSS: Final = """
:root{color-scheme:light dark;
--page:#f4f6f8;--card:#fff;--ink:#1c2430;--soft:#5b6675;--line:#dfe4ea;--rule:#b8c1cb;--code:#f4f6f8;
--axis:#8994a0;--grid:#e8ecf0;--note:#fff8e6;--noted:#ecd9a3;
--good:#2f6db5;--warn:#c0761a;--bad:#c0392b;--other:#7f8a96}
@media screen and (prefers-color-scheme:dark){:root{
--page:#11151b;--card:#1a2029;--ink:#e4e9ef;--soft:#a7b2bf;--line:#303946;--rule:#4a5666;--code:#11151b;
--axis:#7b8794;--grid:#29313c;--note:#2a2312;--noted:#5c4c20;
--good:#5a9be3;--warn:#dd9c3c;--bad:#e8695b;--other:#8793a0}}
*{box-sizing:border-box}
body{margin:0;background:var(--page);color:var(--ink);
font:15px/1.5 system-ui,"Segoe UI",Roboto,"DejaVu Sans",sans-serif}
main{max-width:1120px;margin:0 auto;padding:28px 24px 60px}
.kicker{margin:0;color:var(--soft);letter-spacing:.06em;text-transform:uppercase;font-size:12px}
h1{font-size:24px;line-height:1.3;margin:.2em 0 .3em}
h1 code{font-size:17px;font-weight:500;overflow-wrap:anywhere}
h2{font-size:16px;margin:0 0 10px}
header p{margin:.2em 0 .8em;color:var(--soft);overflow-wrap:anywhere}
aside{background:var(--note);border:1px solid var(--noted);border-radius:6px;padding:12px 14px;margin:14px 0 20px}
aside pre{margin:8px 0}
section{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:16px 18px;margin:16px 0}
.figures{display:grid;grid-template-columns:repeat(3,1fr);gap:10px;margin:0}
.figures div{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:10px 12px}
dt{color:var(--soft);font-size:12px}
dd{margin:2px 0 0;font-size:17px;font-weight:600;font-variant-numeric:tabular-nums}
svg{display:block;width:100%;overflow:visible}
svg.columns{padding:10px 10px 30px 56px;height:calc(var(--drawn) + 40px)}
svg.rows{padding-right:130px;height:var(--drawn)}
svg text{font-size:12px;fill:var(--ink)}
svg .tick{fill:var(--soft);font-size:11px}
.axis{stroke:var(--axis)}.grid{stroke:var(--grid)}
rect.good,i.good{fill:var(--good);background:var(--good)}
rect.warn,i.warn{fill:var(--warn);background:var(--warn)}
rect.bad,i.bad{fill:var(--bad);background:var(--bad)}
rect.other,i.other{fill:var(--other);background:var(--other)}
.legend{margin:0 0 4px;font-size:13px;color:var(--soft)}
.legend span{margin-right:16px;white-space:nowrap}
.legend i{display:inline-block;width:10px;height:10px;border-radius:2px;margin-right:6px}
.note{margin:8px 0 0;color:var(--soft);font-size:13px}
.scroll{overflow-x:auto}
table{border-collapse:collapse;width:100%;font-size:13px}
th{text-align:left;color:var(--soft);font-weight:600;border-bottom:1px solid var(--rule);padding:4px 10px 4px 0}
td{border-bottom:1px solid var(--line);padding:4px 10px 4px 0;vertical-align:top;white-space:nowrap}
td{font-variant-numeric:tabular-nums}
td.wide,td:has(details){white-space:normal;overflow-wrap:anywhere}
td.wide{min-width:21em}td:has(details){min-width:8em}td:has([open]){min-width:21em}
td pre{max-height:260px;overflow:auto}
code,pre{font-family:ui-monospace,SFMono-Regular,Menlo,"DejaVu Sans Mono",monospace;font-size:.92em}
pre{white-space:pre-wrap;overflow-wrap:anywhere;margin:0}
.pill{padding:0 7px;border-radius:9px;color:#fff;font-size:12px}
.pill.good{background:#2f6db5}.pill.warn{background:#a8660c}.pill.bad{background:#c0392b}.pill.other{background:#5b6675}
ul{margin:0;padding-left:20px;overflow-wrap:anywhere}
h3{font-size:13px;margin:14px 0 4px}
h3 code{font-weight:400;color:var(--soft);overflow-wrap:anywhere}
.exchange{border-top:1px solid var(--line);padding:8px 0}
.exchange summary{cursor:pointer;overflow-wrap:anywhere}
.exchange dl{display:grid;grid-template-columns:max-content 1fr;gap:2px 14px;margin:8px 0 0}
.exchange dd{margin:0;font-size:13px;font-weight:400;overflow-wrap:anywhere}
.exchange pre{background:var(--code);border-radius:6px;padding:8px 10px;max-height:420px;overflow:auto}
@media screen{
.scroll table:not(:has(.wide)) :is(th,td):first-child{position:sticky;left:0;background:var(--card)}
}
@media screen and (max-width:560px){
main{padding:20px 12px 40px}section{padding:14px 12px}
.figures{grid-template-columns:1fr 1fr}td pre{max-height:110px}
}
@media screen and (max-width:800px){svg .spare{display:none}}
@media print{
body{background:#fff;font-size:11px}main{max-width:none;padding:0}
section,.figures div,aside{break-inside:avoid;border-color:#ccc}
section:has(table){break-inside:auto}tr{break-inside:avoid}thead{display:table-header-group}
.scroll{overflow:visible}section:has(table){padding:10px}table,.pill{font-size:9px}th,td{padding-right:6px}
td.wide,td:has(details){min-width:16em}
table:not(:has(.wide)) td:is(:nth-child(5),:nth-child(9),:nth-child(10)){white-space:normal;overflow-wrap:anywhere;
min-width:8.5em}
td pre,.exchange pre{max-height:none}
*{-webkit-print-color-adjust:exact;print-color-adjust:exact}
}
"""
