"use strict";(self.rspackChunkenvmagic=self.rspackChunkenvmagic||[]).push([[232],{"./node_modules/css-loader/dist/cjs.js!./style/base.css"(e,n,a){var o=a("./node_modules/css-loader/dist/runtime/noSourceMaps.js"),t=a.n(o),i=a("./node_modules/css-loader/dist/runtime/api.js"),r=(a.n(i))()(t());r.push([e.id,`/* The environment panel. JupyterLab's variables only, so that every theme fits. */

.jp-EnvMagic {
  background: var(--jp-layout-color1);
  color: var(--jp-ui-font-color1);
  container-type: inline-size;
  font-size: var(--jp-ui-font-size1);
  min-width: 240px;
  overflow: hidden auto;
}

.jp-EnvMagic h3,
.jp-EnvMagic-dialog h4 {
  font-size: var(--jp-ui-font-size1);
  font-weight: 600;
  margin: 0;
  overflow-wrap: anywhere;
}

.jp-EnvMagic p {
  margin: 0;
  overflow-wrap: anywhere;
}

.jp-EnvMagic code,
.jp-EnvMagic-dialog code {
  font-family: var(--jp-code-font-family);
  font-size: 0.95em;
  overflow-wrap: anywhere;
}

.jp-EnvMagic-soft {
  color: var(--jp-ui-font-color2);
}

.jp-EnvMagic .jp-Button.jp-mod-styled {
  height: 26px;
  line-height: 26px;
  margin: 0;
  padding: 0 10px;
}

/* JupyterLab leaves these to the browser, which before 4.3 knows nothing of a dark theme. */
.jp-EnvMagic .jp-Button.jp-mod-styled:not(.jp-mod-accept) {
  background: var(--jp-layout-color2);
  box-shadow: inset 0 0 0 1px var(--jp-border-color2);
  color: var(--jp-ui-font-color1);
}

.jp-EnvMagic .jp-Button.jp-mod-styled:not(.jp-mod-accept):enabled:hover {
  background: var(--jp-layout-color3);
}

.jp-EnvMagic .jp-Button.jp-mod-styled:disabled {
  opacity: 0.5;
}

.jp-EnvMagic :focus-visible {
  outline: 2px solid var(--jp-brand-color1);
  outline-offset: -1px;
}

/* They take the keyboard where it was lost, or the panel was opened; Tab goes on from there. */
.jp-EnvMagic:focus,
.jp-EnvMagic div[tabindex='-1']:focus {
  outline: none;
}

/* A comparison: what is said of it stands, the rows scroll. */

.jp-EnvMagic-ready {
  box-sizing: border-box;
  display: flex;
  flex-direction: column;
  gap: 8px;
  min-height: 100%;
  padding: 8px 0 0;
}

.jp-EnvMagic > div:has(> .jp-EnvMagic-ready),
.jp-EnvMagic-ready {
  height: 100%;
}

.jp-EnvMagic-ready > * {
  flex: none;
  margin: 0 10px;
}

.jp-EnvMagic-header {
  display: flex;
  flex-direction: column;
  gap: 4px;
}

.jp-EnvMagic-row {
  align-items: baseline;
  display: flex;
  gap: 8px;
  min-width: 0;
}

.jp-EnvMagic-label {
  color: var(--jp-ui-font-color2);
  flex: none;
  width: 46px;
}

.jp-EnvMagic-value {
  flex: 1;
  min-width: 0;
}

/* A path is cut at its beginning: its end tells more. */
.jp-EnvMagic-path {
  direction: rtl;
  display: block;
  overflow: hidden;
  text-align: left;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.jp-EnvMagic-locks {
  flex: 1;
  min-width: 0;
  position: relative; /* JupyterLab 4.2 does not, and its arrow goes by that */
}

.jp-EnvMagic .jp-EnvMagic-locks select {
  height: 26px;
  overflow: hidden;
  padding-inline-end: 24px;
  text-overflow: ellipsis;
  width: 100%;
}

.jp-EnvMagic-refresh.jp-Button {
  flex: none;
  height: 24px;
  min-width: 24px;
  padding: 0 4px;
}

.jp-EnvMagic-parity h3 {
  font-size: var(--jp-ui-font-size2);
}

.jp-EnvMagic-parity h3 > span {
  color: var(--jp-warn-color1);
}

.jp-EnvMagic-parity[data-parity='true'] h3 > span {
  color: var(--jp-success-color1);
}

.jp-EnvMagic-buttons {
  display: flex;
  flex-wrap: wrap;
  gap: 6px;
}

.jp-EnvMagic-buttons:empty {
  display: none;
}

.jp-EnvMagic-ready > .jp-EnvMagic-footer {
  margin: auto 0 0;
}

.jp-EnvMagic-footer {
  background: var(--jp-layout-color1);
  border-top: 1px solid var(--jp-border-color2);
  bottom: 0;
  display: flex;
  gap: 6px;
  padding: 8px 10px;
  position: sticky;
  z-index: 2;
}

/* Banners and cards */

.jp-EnvMagic-banner,
.jp-EnvMagic-card {
  border: 1px solid var(--jp-border-color2);
  border-left: 3px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  padding: 6px 8px;
}

.jp-EnvMagic-banners,
.jp-EnvMagic-banner {
  display: flex;
  flex-direction: column;
  gap: 4px;
}

.jp-EnvMagic-banners {
  gap: 8px;
}

.jp-EnvMagic-banners:empty {
  display: none;
}

.jp-EnvMagic-banner > button,
.jp-EnvMagic-blank > button {
  align-self: flex-start;
}

.jp-EnvMagic-banner[data-kind='working'] {
  border-left-color: var(--jp-brand-color1);
}

.jp-EnvMagic-banner[data-kind='done'],
.jp-EnvMagic-card[data-verdict='ok'] {
  border-left-color: var(--jp-success-color1);
}

.jp-EnvMagic-banner[data-kind='attention'],
.jp-EnvMagic-card[data-verdict='warn'],
.jp-EnvMagic-card[data-verdict='unknown'],
.jp-EnvMagic-findings {
  border-left-color: var(--jp-warn-color1);
}

.jp-EnvMagic-banner[data-kind='failed'],
.jp-EnvMagic-card[data-verdict='fail'] {
  border-left-color: var(--jp-error-color1);
}

.jp-EnvMagic summary {
  cursor: pointer;
}

.jp-EnvMagic-sign {
  display: inline-block;
  text-align: center;
  width: 1.3em;
}

.jp-EnvMagic-card > :not(summary),
.jp-EnvMagic-card > details > :not(summary) {
  margin-top: 6px;
}

.jp-EnvMagic-facts,
.jp-EnvMagic-detail,
.jp-EnvMagic-dialog dl {
  display: grid;
  gap: 2px 10px;
  grid-template-columns: max-content 1fr;
  margin: 0;
}

.jp-EnvMagic-facts dt,
.jp-EnvMagic-detail dt,
.jp-EnvMagic-dialog dt {
  color: var(--jp-ui-font-color2);
}

.jp-EnvMagic-facts dd,
.jp-EnvMagic-detail dd,
.jp-EnvMagic-dialog dd {
  margin: 0;
  min-width: 0;
  overflow-wrap: anywhere;
}

.jp-EnvMagic-gpu meter,
.jp-EnvMagic-progress progress {
  accent-color: var(--jp-brand-color1);
  display: block;
  width: 100%;
}

.jp-EnvMagic-sentences,
.jp-EnvMagic-faults,
.jp-EnvMagic-banner ul {
  list-style: none;
  margin: 0;
  padding: 0;
}

.jp-EnvMagic-banner ul,
.jp-EnvMagic-sentences {
  display: flex;
  flex-direction: column;
  gap: 6px;
}

.jp-EnvMagic-sentences {
  max-height: 240px;
  overflow: auto;
}

.jp-EnvMagic-sentences li {
  overflow-wrap: anywhere;
}

.jp-EnvMagic-log {
  background: var(--jp-layout-color2);
  color: var(--jp-ui-font-color1);
  font-family: var(--jp-code-font-family);
  font-size: var(--jp-code-font-size);
  margin: 4px 0 0;
  max-height: 220px;
  overflow: auto;
  padding: 6px;
  white-space: pre-wrap;
}

/* What is said where nothing can be compared */

.jp-EnvMagic-blank {
  display: flex;
  flex-direction: column;
  gap: 8px;
  padding: 24px 16px;
}

.jp-EnvMagic-ready > .jp-EnvMagic-blank {
  padding: 12px 0;
}

.jp-EnvMagic-blank h3 {
  font-size: var(--jp-ui-font-size2);
}

.jp-EnvMagic-blank p {
  color: var(--jp-ui-font-color2);
  line-height: 1.4;
}

.jp-EnvMagic-faults {
  display: flex;
  flex-direction: column;
  gap: 10px;
}

.jp-EnvMagic-link {
  background: none;
  border: 0;
  color: var(--jp-content-link-color, var(--jp-brand-color1));
  cursor: pointer;
  font: inherit;
  font-family: var(--jp-code-font-family);
  padding: 0;
  text-align: start;
  text-decoration: underline;
}

/* The table */

.jp-EnvMagic-ready > .jp-EnvMagic-diff {
  display: flex;
  flex: 1 0 260px;
  flex-direction: column;
  gap: 6px;
  margin: 0;
  min-height: 0;
}

.jp-EnvMagic-diff > * {
  flex: none;
}

.jp-EnvMagic-search.jp-mod-styled {
  background: var(--jp-input-background);
  border: 1px solid var(--jp-border-color1);
  border-radius: var(--jp-border-radius);
  color: var(--jp-ui-font-color1);
  font-size: var(--jp-ui-font-size1);
  height: 26px;
  margin: 0 10px;
  padding: 0 8px;
}

.jp-EnvMagic-search::placeholder {
  color: var(--jp-ui-font-color2);
}

.jp-EnvMagic-filter {
  display: flex;
  flex-wrap: wrap;
  gap: 4px;
  margin: 0 10px;
}

.jp-EnvMagic-chip {
  background: var(--jp-layout-color2);
  border: 1px solid var(--jp-border-color2);
  border-radius: 10px;
  color: var(--jp-ui-font-color1);
  cursor: pointer;
  font-size: var(--jp-ui-font-size0);
  line-height: 18px;
  padding: 0 8px;
}

.jp-EnvMagic-chip:hover {
  background: var(--jp-layout-color3);
}

.jp-EnvMagic-chip[aria-pressed='true'] {
  background: var(--jp-brand-color1);
  border-color: var(--jp-brand-color1);
  color: var(--jp-ui-inverse-font-color1);
}

.jp-EnvMagic-count {
  block-size: 1px;
  clip-path: inset(50%);
  inline-size: 1px;
  overflow: hidden;
  position: absolute;
  white-space: nowrap;
}

.jp-EnvMagic-ready > .jp-EnvMagic-diff > .jp-EnvMagic-scroller {
  border-top: 1px solid var(--jp-border-color2);
  contain: strict;
  flex: 1 1 180px;
  min-height: 140px;
  overflow: auto;
  overflow-anchor: none;
}

.jp-EnvMagic-table {
  border-collapse: separate;
  border-spacing: 0;
  table-layout: fixed;
  width: 100%;
}

.jp-EnvMagic-table th,
.jp-EnvMagic-table td {
  border-bottom: 1px solid var(--jp-border-color3);
  box-sizing: border-box;
  font-weight: normal;
  height: 25px;
  overflow: hidden;
  padding: 2px 6px;
  text-align: start;
  text-overflow: ellipsis;
  white-space: nowrap;
}

.jp-EnvMagic-table thead th {
  background: var(--jp-layout-color1);
  border-bottom-color: var(--jp-border-color1);
  padding: 0;
  position: sticky;
  top: 0;
  z-index: 1;
}

.jp-EnvMagic-table thead th:first-child {
  width: 104px;
}

.jp-EnvMagic-table thead th:nth-child(n + 3) {
  width: 23%;
}

.jp-EnvMagic-table button {
  background: none;
  border: 0;
  color: inherit;
  cursor: pointer;
  font: inherit;
  overflow: hidden;
  padding: 0;
  text-align: start;
  text-overflow: ellipsis;
  width: 100%;
}

.jp-EnvMagic-table thead button {
  color: var(--jp-ui-font-color2);
  font-weight: 600;
  padding: 3px 6px;
}

.jp-EnvMagic-table tbody[data-index]:hover {
  background: var(--jp-layout-color2);
}

.jp-EnvMagic-table tbody tr:has(dl) td,
.jp-EnvMagic-table dd {
  white-space: normal;
}

.jp-EnvMagic-table .jp-EnvMagic-link {
  text-decoration: underline;
}

.jp-EnvMagic-arrow {
  margin-inline-start: 4px;
}

.jp-EnvMagic-kind > span:first-child {
  display: inline-block;
  font-weight: 600;
  text-align: center;
  width: 14px;
}

[data-kind='install'] > tr > .jp-EnvMagic-kind > span:first-child {
  color: var(--jp-success-color1);
}

[data-kind='remove'] > tr > .jp-EnvMagic-kind > span:first-child,
[data-kind='held'] > tr > .jp-EnvMagic-kind > span:first-child {
  color: var(--jp-error-color1);
}

[data-kind='downgrade'] > tr > .jp-EnvMagic-kind > span:first-child,
[data-kind='reinstall'] > tr > .jp-EnvMagic-kind > span:first-child {
  color: var(--jp-warn-color1);
}

[data-kind='upgrade'] > tr > .jp-EnvMagic-kind > span:first-child {
  color: var(--jp-info-color1);
}

.jp-EnvMagic-none {
  color: var(--jp-ui-font-color2);
  padding: 12px 10px;
}

@container (max-width: 330px) {
  .jp-EnvMagic-table thead button {
    font-size: var(--jp-ui-font-size0);
    padding: 3px 4px;
  }

  .jp-EnvMagic-table thead th:nth-child(n + 3) {
    width: 66px;
  }

  .jp-EnvMagic-table thead th:first-child {
    width: 30px;
  }

  .jp-EnvMagic-table thead th:first-child .jp-EnvMagic-arrow {
    margin: 0;
  }

  /* Where a name would be cut, it takes another line. */
  .jp-EnvMagic-table tbody > tr:first-child > :not(.jp-EnvMagic-kind),
  .jp-EnvMagic-table tbody > tr:first-child > th > button {
    overflow-wrap: anywhere;
    white-space: normal;
  }

  .jp-EnvMagic-table thead th:first-child .jp-EnvMagic-arrow:empty::before {
    content: '\xb1';
  }

  .jp-EnvMagic-table thead th:first-child .jp-EnvMagic-word,
  .jp-EnvMagic-kind .jp-EnvMagic-word {
    block-size: 1px;
    clip-path: inset(50%);
    inline-size: 1px;
    overflow: hidden;
    position: absolute;
  }
}

/* The badge on the icon of the sidebar, and the item of the status bar */

.jp-EnvMagic-tab {
  position: relative;
}

/* \`::after\` is the border of the current tab. */
.jp-EnvMagic-tab::before {
  background: var(--jp-warn-color1);
  border-radius: 6px;
  color: var(--jp-ui-inverse-font-color0);
  content: attr(data-envmagic-count);
  font-size: 9px;
  font-weight: 600;
  inset-block-start: 3px;
  inset-inline-end: 3px;
  line-height: 12px;
  min-width: 6px;
  padding: 0 3px;
  pointer-events: none;
  position: absolute;
  text-align: center;
}

.jp-EnvMagic-tab.jp-mod-equal::before {
  background: var(--jp-success-color1);
  content: '✓';
}

.jp-EnvMagic-tab.jp-mod-working::before {
  background: var(--jp-brand-color1);
  content: '…';
}

.jp-EnvMagic-tab.jp-mod-restart::before {
  content: '↻';
}

.jp-EnvMagic-tab.jp-mod-attention::before {
  background: var(--jp-error-color1);
  content: '!';
}

.jp-EnvMagic-status {
  align-items: center;
  display: flex;
  height: 100%;
}

.jp-EnvMagic-status button {
  height: 100%;
  background: none;
  border: 0;
  color: inherit;
  cursor: pointer;
  font: inherit;
  padding: 0 6px;
}

.jp-EnvMagic-status button:hover {
  background: var(--jp-layout-color3);
}

/* The questions */

.jp-EnvMagic-dialog {
  display: flex;
  flex-direction: column;
  gap: 10px;
  max-width: 560px;
}

.jp-EnvMagic-dialog ul {
  display: grid;
  gap: 0 12px;
  grid-template-columns: repeat(auto-fill, minmax(170px, 1fr));
  list-style: none;
  margin: 4px 0 0;
  max-height: 180px;
  overflow: auto;
  padding: 0;
}

.jp-EnvMagic-dialog p {
  margin: 0;
}

.jp-EnvMagic-warn {
  border-left: 3px solid var(--jp-warn-color1);
  padding-left: 8px;
}

.jp-EnvMagic-dialog .jp-mod-sentences ul {
  gap: 4px;
  grid-template-columns: 1fr;
}
`,""]),a.d(n,{},{A:r})},"./node_modules/css-loader/dist/runtime/api.js"(e){e.exports=function(e){var n=[];return n.toString=function(){return this.map(function(n){var a="",o=void 0!==n[5];return n[4]&&(a+="@supports (".concat(n[4],") {")),n[2]&&(a+="@media ".concat(n[2]," {")),o&&(a+="@layer".concat(n[5].length>0?" ".concat(n[5]):""," {")),a+=e(n),o&&(a+="}"),n[2]&&(a+="}"),n[4]&&(a+="}"),a}).join("")},n.i=function(e,a,o,t,i){"string"==typeof e&&(e=[[null,e,void 0]]);var r={};if(o)for(var p=0;p<this.length;p++){var c=this[p][0];null!=c&&(r[c]=!0)}for(var l=0;l<e.length;l++){var d=[].concat(e[l]);o&&r[d[0]]||(void 0!==i&&(void 0===d[5]||(d[1]="@layer".concat(d[5].length>0?" ".concat(d[5]):""," {").concat(d[1],"}")),d[5]=i),a&&(d[2]&&(d[1]="@media ".concat(d[2]," {").concat(d[1],"}")),d[2]=a),t&&(d[4]?(d[1]="@supports (".concat(d[4],") {").concat(d[1],"}"),d[4]=t):d[4]="".concat(t)),n.push(d))}},n}},"./node_modules/css-loader/dist/runtime/noSourceMaps.js"(e){e.exports=function(e){return e[1]}},"./node_modules/style-loader/dist/runtime/injectStylesIntoStyleTag.js"(e){var n=[];function a(e){for(var a=-1,o=0;o<n.length;o++)if(n[o].identifier===e){a=o;break}return a}function o(e,o){for(var t={},i=[],r=0;r<e.length;r++){var p=e[r],c=o.base?p[0]+o.base:p[0],l=t[c]||0,d="".concat(c," ").concat(l);t[c]=l+1;var s=a(d),g={css:p[1],media:p[2],sourceMap:p[3],supports:p[4],layer:p[5]};if(-1!==s)n[s].references++,n[s].updater(g);else{var v=function(e,n){var a=n.domAPI(n);return a.update(e),function(n){n?(n.css!==e.css||n.media!==e.media||n.sourceMap!==e.sourceMap||n.supports!==e.supports||n.layer!==e.layer)&&a.update(e=n):a.remove()}}(g,o);o.byIndex=r,n.splice(r,0,{identifier:d,updater:v,references:1})}i.push(d)}return i}e.exports=function(e,t){var i=o(e=e||[],t=t||{});return function(e){e=e||[];for(var r=0;r<i.length;r++){var p=a(i[r]);n[p].references--}for(var c=o(e,t),l=0;l<i.length;l++){var d=a(i[l]);0===n[d].references&&(n[d].updater(),n.splice(d,1))}i=c}}},"./node_modules/style-loader/dist/runtime/insertBySelector.js"(e){var n={};e.exports=function(e,a){var o=function(e){if(void 0===n[e]){var a=document.querySelector(e);if(window.HTMLIFrameElement&&a instanceof window.HTMLIFrameElement)try{a=a.contentDocument.head}catch(e){a=null}n[e]=a}return n[e]}(e);if(!o)throw Error("Couldn't find a style target. This probably means that the value for the 'insert' parameter is invalid.");o.appendChild(a)}},"./node_modules/style-loader/dist/runtime/insertStyleElement.js"(e){e.exports=function(e){var n=document.createElement("style");return e.setAttributes(n,e.attributes),e.insert(n,e.options),n}},"./node_modules/style-loader/dist/runtime/setAttributesWithoutAttributes.js"(e,n,a){e.exports=function(e){var n=a.nc;n&&e.setAttribute("nonce",n)}},"./node_modules/style-loader/dist/runtime/styleDomAPI.js"(e){e.exports=function(e){if("u"<typeof document)return{update:function(){},remove:function(){}};var n=e.insertStyleElement(e);return{update:function(a){var o,t,i;o="",a.supports&&(o+="@supports (".concat(a.supports,") {")),a.media&&(o+="@media ".concat(a.media," {")),(t=void 0!==a.layer)&&(o+="@layer".concat(a.layer.length>0?" ".concat(a.layer):""," {")),o+=a.css,t&&(o+="}"),a.media&&(o+="}"),a.supports&&(o+="}"),(i=a.sourceMap)&&"u">typeof btoa&&(o+="\n/*# sourceMappingURL=data:application/json;base64,".concat(btoa(unescape(encodeURIComponent(JSON.stringify(i))))," */")),e.styleTagTransform(o,n,e.options)},remove:function(){var e;null===(e=n).parentNode||e.parentNode.removeChild(e)}}}},"./node_modules/style-loader/dist/runtime/styleTagTransform.js"(e){e.exports=function(e,n){if(n.styleSheet)n.styleSheet.cssText=e;else{for(;n.firstChild;)n.removeChild(n.firstChild);n.appendChild(document.createTextNode(e))}}},"./style/index.js"(e,n,a){var o=a("./node_modules/style-loader/dist/runtime/injectStylesIntoStyleTag.js"),t=a.n(o),i=a("./node_modules/style-loader/dist/runtime/styleDomAPI.js"),r=a.n(i),p=a("./node_modules/style-loader/dist/runtime/insertBySelector.js"),c=a.n(p),l=a("./node_modules/style-loader/dist/runtime/setAttributesWithoutAttributes.js"),d=a.n(l),s=a("./node_modules/style-loader/dist/runtime/insertStyleElement.js"),g=a.n(s),v=a("./node_modules/style-loader/dist/runtime/styleTagTransform.js"),u=a.n(v),j=a("./node_modules/css-loader/dist/cjs.js!./style/base.css"),f={};f.styleTagTransform=u(),f.setAttributes=d(),f.insert=c().bind(null,"head"),f.domAPI=r(),f.insertStyleElement=g(),t()(j.A,f),j.A&&j.A.locals&&j.A.locals}}]);