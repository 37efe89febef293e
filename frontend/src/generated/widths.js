/* Written by tools/build_frontend.py from dlgraph/draw/text.py: change it there. */
export const CLASSES = [[24, "'"], [28, " ,./I\\ijl|"], [33, "!()-:;[]`ft·"], [39, "*r{}"], [47, "\""], [50, "z"], [56, "#$0123456789J_aceksvxy∂"], [58, "+<=>^~×−"], [61, "?FLTZbdghnopqu"], [67, "EPSVXY"], [72, "&ABCDHKNRU"], [78, "GOQw"], [83, "M"], [89, "%m"], [94, "W"], [102, "@…←→"]];
export const BLOCKS = [[768, 879, 0], [8203, 8207, 0], [9728, 10175, 136], [11904, 42191, 104], [44032, 55203, 104], [63744, 64255, 104], [65024, 65039, 0], [65072, 65103, 104], [65280, 65519, 104], [126976, 262143, 136]];
export const OTHER = 72;
