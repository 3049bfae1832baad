export default {
  base: "./",
  build: { target: "es2022" },
  worker: { format: "es" },
  optimizeDeps: { exclude: ["digits"] }, // it finds its files relative to itself
};
