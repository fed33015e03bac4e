// placeholder until the manage page is written
export {};
