// Marks the section that is read in the navigation, lets the keyboard into what scrolls, opens details for paper.
const links = new Map([...document.querySelectorAll("nav a[href^='#']")].map((link) => [link.hash.slice(1), link]));
const current = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) {
      if (!isIntersecting) continue;
      document.querySelector("nav a[aria-current]")?.removeAttribute("aria-current");
      const link = links.get(target.id);
      link.setAttribute("aria-current", "true");
      const nav = link.parentElement;
      nav.scrollTo({ left: link.offsetLeft - nav.clientWidth / 3, top: link.offsetTop - nav.clientHeight / 3 });
    }
  },
  { rootMargin: "-15% 0px -80%" },
);
for (const name of links.keys()) current.observe(document.getElementById(name));

const scrolls = (part) => part.scrollWidth > part.clientWidth + 1 || part.scrollHeight > part.clientHeight + 1;
const fit = new ResizeObserver((entries) => {
  for (const { target } of entries) target.tabIndex = scrolls(target) ? 0 : -1;
});
for (const part of document.querySelectorAll(".scroll")) fit.observe(part);

let opened = [];
window.addEventListener("beforeprint", () => {
  opened = [...document.querySelectorAll("details:not([open]):not(.same)")];
  for (const details of opened) details.open = true;
});
window.addEventListener("afterprint", () => {
  for (const details of opened) details.open = false;
});
