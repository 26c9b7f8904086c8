"""What every venue does alike, written once. A venue brings its words as data; nothing here knows one of them."""
