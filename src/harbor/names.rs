//! The words that names and values are made of.
//!
//! Names are pairs of words, thousands of them, so that a model cannot learn a list of unknown entities: it has to learn
//! that an entity is unknown if it recalls no fact about it.

/// First names of people.
pub const FIRSTS: &[&str] = &[
    "Mara", "Tobin", "Elka", "Joren", "Sela", "Davo", "Ilse", "Ruben", "Nadia", "Oskar", "Petra", "Lukas", "Wanda",
    "Felix", "Greta", "Hugo", "Irma", "Kasper", "Lena", "Milo", "Nora", "Otto", "Pia", "Rolf", "Sanna", "Timo", "Ursa",
    "Viktor", "Yara", "Zeno", "Alma", "Bruno", "Clara", "Dirk", "Edda", "Frida", "Gustav", "Hilde", "Ivar", "Jana",
    "Klara", "Lars", "Maren", "Nils", "Olga", "Paul", "Rika", "Sven", "Tilda", "Ulf",
];

/// Last names of people.
pub const LASTS: &[&str] = &[
    "Voss", "Brandt", "Holm", "Lund", "Marsh", "Quill", "Reed", "Stern", "Thorne", "Vale", "Wick", "Ashby", "Birch",
    "Crane", "Dahl", "Ekman", "Frost", "Grey", "Hart", "Ives", "Jansen", "Kroll", "Lang", "Moss", "North", "Orr",
    "Pike", "Rask", "Skov", "Toft", "Unger", "Vik", "Wolf", "York", "Zorn", "Adler", "Beck", "Cole", "Drake", "Engel",
    "Falk", "Gale", "Haas", "Iversen", "Jung", "Kerr", "Lowe", "Munk", "Nash", "Odell",
];

/// First words of ships' names.
#[rustfmt::skip]
pub const HULLS: &[&str] = &[
    "Silver", "Golden", "Iron", "Copper", "Swift", "Silent", "Merry", "Proud", "Brave", "Lonely", "Wild", "Gentle",
    "Crimson", "Scarlet", "Ivory", "Dusky", "Bright", "Stormy", "Rising", "Flying", "Dancing", "Singing", "Laughing",
    "Sleeping", "Wandering", "Roaming", "Royal", "Humble", "Ancient", "Young", "Lucky", "Hidden", "Distant", "Faithful",
    "Restless", "Patient", "Noble", "Shining", "Drifting", "Northern",
];

/// Second words of ships' names.
#[rustfmt::skip]
pub const BIRDS: &[&str] = &[
    "Heron", "Gull", "Tern", "Petrel", "Osprey", "Puffin", "Curlew", "Plover", "Falcon", "Swan", "Albatross",
    "Cormorant", "Kestrel", "Raven", "Sparrow", "Lark", "Wren", "Finch", "Dolphin", "Porpoise", "Marlin", "Sturgeon",
    "Pilgrim", "Maiden", "Widow", "Duchess", "Baron", "Comet", "Star", "Arrow", "Lantern", "Anchor", "Compass",
    "Thistle", "Rose", "Willow", "Juniper", "Laurel", "Tulip", "Clover",
];

/// First words of ports' names.
pub const SHORES: &[&str] = &[
    "Salt", "Amber", "Black", "White", "Green", "Stone", "Sand", "Wind", "Storm", "Moon", "Sun", "Fog", "Kelp", "Crab",
    "Whale", "Seal", "Eel", "Cod", "Pearl", "Coral", "Drift", "Deep", "Low", "High", "Old", "New", "Long", "Cold",
    "Fair", "Far", "East", "West", "South", "Winter", "Summer", "King", "Queen", "Bishop", "Miller", "Fisher",
];

/// Second words of ports' names.
pub const LANDS: &[&str] = &[
    "Haven", "Rock", "Bay", "Cape", "Point", "Sound", "Cove", "Reach", "Ness", "Quay", "Pier", "Wharf", "Landing",
    "Harbor", "Cliff", "Beach", "Shoal", "Reef", "Island", "Strand", "Ferry", "Bridge", "Ford", "Mouth", "Head",
    "Hook", "Spit", "Narrows", "Lagoon", "Fjord", "Inlet", "Creek", "Marina", "Dock", "Tower", "Light", "Gate",
    "Castle", "Market", "Abbey",
];

pub const TOWNS: &[&str] = &[
    "Tolo", "Brask", "Fenna", "Gorla", "Hestor", "Ilmar", "Jutta", "Kelda", "Lorin", "Mirta", "Norr", "Ostia", "Prava",
    "Runa", "Sarno", "Tessa", "Ulva", "Varna", "Wessa", "Yelm",
];
pub const TRADES: &[&str] = &[
    "baking", "fishing", "weaving", "trading", "mining", "sailing", "farming", "brewing", "carving", "painting",
    "hunting", "sewing", "cooking", "teaching", "printing", "welding", "tanning", "herding", "diving", "healing",
];
pub const CHARMS: &[&str] = &[
    "jade", "opal", "ruby", "onyx", "topaz", "garnet", "quartz", "agate", "beryl", "zircon", "coin", "ring", "bell",
    "key", "shell", "feather", "button", "thimble", "acorn", "dice",
];
pub const CARGOES: &[&str] = &[
    "silk", "wool", "tin", "rice", "sugar", "coffee", "pepper", "timber", "coal", "wine", "honey", "paper", "glass",
    "cotton", "leather", "cheese", "barley", "marble", "rubber", "ginger",
];
pub const FLAGS: &[&str] = &[
    "blue", "red", "yellow", "purple", "orange", "brown", "pink", "violet", "teal", "navy", "olive", "maroon", "beige",
    "indigo", "cyan", "azure", "lime", "tan", "bronze", "plum",
];
pub const BUILDERS: &[&str] = &[
    "Orlen", "Tavik", "Bromer", "Castel", "Delmar", "Ensor", "Fargo", "Gantz", "Harko", "Imber", "Jolan", "Korda",
    "Lemke", "Mosel", "Nivens", "Oster", "Palko", "Rondo", "Stavo", "Trask",
];
pub const EXPORTS: &[&str] = &[
    "figs", "dates", "olives", "pearls", "ropes", "nails", "bricks", "herbs", "candles", "barrels", "sails", "plates",
    "knives", "blankets", "lemons", "almonds", "apples", "furs", "spices", "clocks",
];
pub const RULERS: &[&str] = &[
    "Aldric", "Berta", "Conrad", "Dagmar", "Egon", "Fulk", "Gerda", "Helga", "Isolde", "Jorund", "Kunrad", "Leopold",
    "Matilda", "Norbert", "Odila", "Philip", "Roland", "Sigrid", "Theo", "Ulrich",
];
#[rustfmt::skip]
pub const STONES: &[&str] = &[
    "granite", "slate", "basalt", "chalk", "flint", "pumice", "gneiss", "schist", "shale", "tuff", "gravel", "clay",
    "lava", "sandstone", "limestone", "dolomite", "obsidian", "gabbro", "travertine", "jasper",
];
