# The style of all pictures.  The colours are Okabe and Ito's, which the colour-blind can tell apart.
BLUE = '#0072b2'; ORANGE = '#e69f00'; GREEN = '#009e73'; VERMILION = '#d55e00'; SKY = '#56b4e9'
PINK = '#cc79a7'; GREY = '#999999'; INK = '#222222'; FAINT = '#dddddd'

set encoding utf8
set border 3 lc rgb GREY
set tics nomirror out scale 0.5 textcolor rgb INK
set grid x lc rgb FAINT lt 1
set datafile separator "\t"
bed(i) = i == 0 ? bed0 : bed1
# The bars of all beds stand side by side around a row's number, the first bed's on top.
HALF = 0.38 / beds
middle(row, i) = row + 0.38 - HALF * (2 * i + 1)
colour(i) = i == 0 ? BLUE : ORANGE
