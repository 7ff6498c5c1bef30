"""What the countries on board are called: in full, and by what else people type."""

# Natural Earth writes long names short, for the room on a printed map.
_FULL = {
    "Antigua and Barb.": "Antigua and Barbuda",
    "Ashmore and Cartier Is.": "Ashmore and Cartier Islands",
    "Bosnia and Herz.": "Bosnia and Herzegovina",
    "Br. Indian Ocean Ter.": "British Indian Ocean Territory",
    "British Virgin Is.": "British Virgin Islands",
    "Cayman Is.": "Cayman Islands",
    "Central African Rep.": "Central African Republic",
    "Congo": "Republic of the Congo",
    "Cook Is.": "Cook Islands",
    "Dem. Rep. Congo": "Democratic Republic of the Congo",
    "Dominican Rep.": "Dominican Republic",
    "Eq. Guinea": "Equatorial Guinea",
    "Faeroe Is.": "Faroe Islands",
    "Falkland Is.": "Falkland Islands",
    "Fr. Polynesia": "French Polynesia",
    "Fr. S. Antarctic Lands": "French Southern and Antarctic Lands",
    "Heard I. and McDonald Is.": "Heard Island and McDonald Islands",
    "Indian Ocean Ter.": "Indian Ocean Territories",
    "Macedonia": "North Macedonia",
    "Marshall Is.": "Marshall Islands",
    "N. Cyprus": "Northern Cyprus",
    "N. Mariana Is.": "Northern Mariana Islands",
    "Pitcairn Is.": "Pitcairn Islands",
    "S. Geo. and the Is.": "South Georgia and the South Sandwich Islands",
    "S. Sudan": "South Sudan",
    "Solomon Is.": "Solomon Islands",
    "St-Barthélemy": "Saint Barthélemy",
    "St-Martin": "Saint Martin",
    "St. Kitts and Nevis": "Saint Kitts and Nevis",
    "St. Pierre and Miquelon": "Saint Pierre and Miquelon",
    "St. Vin. and Gren.": "Saint Vincent and the Grenadines",
    "São Tomé and Principe": "São Tomé and Príncipe",
    "Turks and Caicos Is.": "Turks and Caicos Islands",
    "U.S. Virgin Is.": "United States Virgin Islands",
    "W. Sahara": "Western Sahara",
    "Wallis and Futuna Is.": "Wallis and Futuna",
    "eSwatini": "Eswatini",
}

_OTHER_NAMES = {
    "Belarus": "Byelorussia",
    "Cabo Verde": "Cape Verde",
    "China": "PRC",
    "Côte d'Ivoire": "Ivory Coast",
    "Czechia": "Czech Republic",
    "Democratic Republic of the Congo": "DRC Zaire Kinshasa",
    "Eswatini": "Swaziland",
    "Germany": "Deutschland",
    "Greece": "Hellas",
    "Iran": "Persia",
    "Macao": "Macau",
    "Myanmar": "Burma",
    "Netherlands": "Holland",
    "North Korea": "DPRK",
    "Republic of the Congo": "Congo Brazzaville",
    "Russia": "Russian Federation",
    "South Korea": "Republic of Korea",
    "Spain": "España",
    "Timor-Leste": "East Timor",
    "Turkey": "Türkiye",
    "United Arab Emirates": "UAE",
    "United Kingdom": "UK Great Britain England Scotland Wales",
    "United States of America": "USA US",
    "Vatican": "Holy See",
}


def full_name(short: str) -> str:
    """A country's name as people write it.

    Examples
    --------
    >>> full_name("Bosnia and Herz.")
    'Bosnia and Herzegovina'
    """
    return _FULL.get(short, short)


def other_names(full: str) -> str:
    """Further words by which a country is looked for, empty for most."""
    return _OTHER_NAMES.get(full, "")
