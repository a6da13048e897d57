export function mount(root, { dom }) {
  root.append(dom.h("p.muted", null, "Steer"));
}
